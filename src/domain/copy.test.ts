import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCopyFor, isCopyName, nameCopy, ownerOf } from './copy.ts';

describe('the name of a copy', () => {
  it('says whose it is, whatever the names', () => {
    const name = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/);
    const kind = fc.constantFrom('volume' as const, 'snapshot' as const);
    const uid = fc.stringMatching(/^[0-9a-f]{16}$/);
    const nonce = fc.stringMatching(/^[0-9a-f]{8}$/);
    fc.assert(
      fc.property(kind, name, uid, nonce, (of, text, id, random) => {
        const owner = { kind: of, name: text, uid: id };
        expect(ownerOf(nameCopy(owner, random))).toEqual(owner);
        expect(isCopyFor(nameCopy(owner, random), owner)).toBe(true);
        expect(isCopyFor(nameCopy(owner, random), { ...owner, uid: '0123456789abcde0' })).toBe(
          id === '0123456789abcde0',
        );
      }),
    );
  });

  it('of layout 1 names its record without a uid', () =>
    expect(ownerOf('snapshot-a-12345678')).toEqual({ kind: 'snapshot', name: 'a' }));

  it.each(['', 'volume-a', 'volume-a-1234567', 'other-a-12345678', 'volume-../x-12345678', 'volume-A-12345678'])(
    'is not %j',
    (text) => expect(isCopyName(text)).toBe(false),
  );
});
