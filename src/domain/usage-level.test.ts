import { describe, expect, it } from 'vitest';
import { describeUsageLevel, usageLevelOf } from './usage-level.ts';

describe('usageLevel', () => {
  it.each([
    [0, 0, 'has room'],
    [0, 1000, 'has room'],
    [899, 1000, 'has room'],
    [900, 1000, 'nearly full'],
    [989, 1000, 'nearly full'],
    [990, 1000, 'full'],
    [1000, 1000, 'full'],
    [1200, 1000, 'full'],
  ] as const)('%d of %d: %s', (used, total, expected) => {
    expect(usageLevelOf(used, total)).toBe(expected);
  });

  it('is told with its numbers', () => {
    expect(describeUsageLevel(95 * 1024, 100 * 1024)).toBe('the volume is nearly full: 95 KiB of 100 KiB are used');
    expect(describeUsageLevel(0, 1)).toBeUndefined();
  });
});
