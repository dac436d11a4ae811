import { describe, expect, it } from 'vitest';
import { chooseCapacity, chooseExpansion, formatBytes, parseQuantity, satisfies } from './capacity.ts';

const GIB = 1024 ** 3;

describe('the size of a volume', () => {
  it.each([
    [{ requiredBytes: 0, limitBytes: 0 }, GIB],
    [{ requiredBytes: 9, limitBytes: 10 }, 9],
    [{ requiredBytes: 0, limitBytes: 10 }, 10],
    [{ requiredBytes: 0, limitBytes: 5 * GIB }, GIB],
  ])('for %j is %d', (range, bytes) => {
    expect(chooseCapacity(range)).toBe(bytes);
    expect(satisfies(bytes, range)).toBe(true);
  });

  it('is compared as a number: 9 is less than 10', () => {
    expect(satisfies(9, { requiredBytes: 10, limitBytes: 0 })).toBe(false);
    expect(satisfies(10, { requiredBytes: 9, limitBytes: 9 })).toBe(false);
  });

  it('never shrinks', () => {
    expect(chooseExpansion(10, { requiredBytes: 9, limitBytes: 0 })).toBe(10);
    expect(chooseExpansion(9, { requiredBytes: 10, limitBytes: 10 })).toBe(10);
    expect(() => chooseExpansion(10, { requiredBytes: 0, limitBytes: 9 })).toThrow(/limit_bytes: expected at least 10/);
  });
});

describe('a quantity', () => {
  it.each([
    ['1', 1],
    ['1k', 1000],
    ['1Ki', 1024],
    ['1.5Gi', 1.5 * GIB],
    ['500Gi', 500 * GIB],
    ['2T', 2e12],
  ])('%s is %d bytes', (text, bytes) => expect(parseQuantity(text)).toBe(bytes));

  it.each(['', 'x', '-1', '1gi', '1 Gi', '1e3', '9999999Pi', '1GiB'])('%j is none', (text) =>
    expect(parseQuantity(text)).toBeUndefined(),
  );

  it('is shown for people', () =>
    expect([0, 1023, 1024, 1.5 * GIB].map(formatBytes)).toEqual(['0 B', '1023 B', '1 KiB', '1.5 GiB']));
});
