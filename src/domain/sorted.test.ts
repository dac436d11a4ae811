import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placeOf } from './sorted.ts';

it('is the index before which all names are smaller', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string()), fc.string(), (names, name) => {
      const sorted = [...names].sort((a, b) => (a < b ? -1 : 1)).map((each) => ({ name: each }));
      const place = placeOf(sorted, name);
      expect(sorted.slice(0, place).every((each) => each.name < name)).toBe(true);
      expect(sorted.slice(place).every((each) => each.name >= name)).toBe(true);
    }),
  );
});
