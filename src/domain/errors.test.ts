import { describe, expect, it } from 'vitest';
import { DriverError, errnoOf } from './errors.ts';

const systemError = (code: string) => Object.assign(new Error(code), { code });

describe('a system error', () => {
  it.each([
    ['ENOSPC', 'no-space'],
    ['Unknown system error -122', 'no-space'],
    ['Unknown system error -116', 'unavailable'],
    ['EIO', 'unreachable'],
    ['ENOENT', 'internal'],
  ])('%s is %s', (code, kind) => expect(DriverError.from(systemError(code)).kind).toBe(kind));

  it('has its name, also where libuv has none', () => {
    expect(['ENOENT', 'Unknown system error -116'].map((code) => errnoOf(systemError(code)))).toEqual([
      'ENOENT',
      'ESTALE',
    ]);
  });
});
