import { formatBytes } from './capacity.ts';

/** How far a volume is filled. */
export type UsageLevel = 'has room' | 'nearly full' | 'full';

/** The shares from which on a volume is nearly full, and full: in the last percent writes fail sooner or later. */
const NEARLY_FULL = 0.9;
const FULL = 0.99;

export const usageLevelOf = (usedBytes: number, totalBytes: number): UsageLevel => {
  if (totalBytes > 0 && usedBytes >= FULL * totalBytes) return 'full';
  return totalBytes > 0 && usedBytes >= NEARLY_FULL * totalBytes ? 'nearly full' : 'has room';
};

/** `nearly full: 9.3 GiB of 10 GiB are used`; undefined while there is room. */
export const describeUsageLevel = (usedBytes: number, totalBytes: number): string | undefined => {
  const usageLevel = usageLevelOf(usedBytes, totalBytes);
  if (usageLevel === 'has room') return undefined;
  return `the volume is ${usageLevel}: ${formatBytes(usedBytes)} of ${formatBytes(totalBytes)} are used`;
};
