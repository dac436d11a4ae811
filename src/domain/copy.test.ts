import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCopyName, nameCopy, ownerOf } from './copy.ts';

describe('the name of a copy', () => {
  it('says whose it is, whatever the names', () => {
    const name = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/);
    const kind = fc.constantFrom('volume' as const, 'snapshot' as const);
    const nonce = fc.stringMatching(/^[0-9a-f]{8}$/);
    fc.assert(
      fc.property(kind, name, nonce, (of, text, random) => {
        expect(ownerOf(nameCopy({ kind: of, name: text }, random))).toEqual({ kind: of, name: text });
      }),
    );
  });

  it.each(['', 'volume-a', 'volume-a-1234567', 'other-a-12345678', 'volume-../x-12345678', 'volume-A-12345678'])(
    'is not %j',
    (text) => expect(isCopyName(text)).toBe(false),
  );
});
