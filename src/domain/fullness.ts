import { formatBytes } from './capacity.ts';

/** How far a volume is filled. */
export type Fullness = 'has room' | 'nearly full' | 'full';

/** The shares from which on a volume is nearly full, and full: in the last percent writes fail sooner or later. */
const NEARLY_FULL = 0.9;
const FULL = 0.99;

export const fullnessOf = (usedBytes: number, totalBytes: number): Fullness => {
  if (totalBytes > 0 && usedBytes >= FULL * totalBytes) return 'full';
  return totalBytes > 0 && usedBytes >= NEARLY_FULL * totalBytes ? 'nearly full' : 'has room';
};

/** `nearly full: 9.3 GiB of 10 GiB are used`; undefined while there is room. */
export const describeFullness = (usedBytes: number, totalBytes: number): string | undefined => {
  const fullness = fullnessOf(usedBytes, totalBytes);
  if (fullness === 'has room') return undefined;
  return `the volume is ${fullness}: ${formatBytes(usedBytes)} of ${formatBytes(totalBytes)} are used`;
};
