import { DriverError } from '../errors/errors.ts';

/** Bytes; 0 means "not said", as in the CSI spec. */
export interface CapacityRange {
  readonly requiredBytes: number;
  readonly limitBytes: number;
}

/** What a claim without a size gets, in bytes, unless its limit is smaller. */
export const DEFAULT_CAPACITY_BYTES = 1024 ** 3;
export const MINIMUM_CAPACITY_BYTES = 1;
/** What a volume may hold in any case: less is used up by an empty directory. */
export const MINIMUM_LIMIT_BYTES = 1024 ** 2;

/** The limit that holds a volume to a size: whole KiB, in which project quotas are set. */
export const limitFor = (capacityBytes: number): number =>
  Math.max(Math.ceil(capacityBytes / 1024) * 1024, MINIMUM_LIMIT_BYTES);

/**
 * The size a new volume gets: what is required, else the default within the limit; never less than its source has.
 * Throws out-of-range.
 */
export const chooseCapacity = ({ requiredBytes, limitBytes }: CapacityRange, sourceBytes = 0): number => {
  const wanted = Math.max(DEFAULT_CAPACITY_BYTES, sourceBytes);
  const bytes = requiredBytes || (limitBytes > 0 ? Math.min(limitBytes, wanted) : wanted);
  if (bytes >= sourceBytes) return bytes;
  throw new DriverError('out-of-range', `capacity_range: expected at least the ${sourceBytes} bytes of the source`);
};

/** True when a volume of `bytes` is a valid answer to a request for `range`. */
export const satisfies = (bytes: number, { requiredBytes, limitBytes }: CapacityRange): boolean =>
  bytes >= requiredBytes && (limitBytes === 0 || bytes <= limitBytes);

/** The size a volume of `currentBytes` is expanded to. It never shrinks. Throws out-of-range. */
export const chooseExpansion = (currentBytes: number, { requiredBytes, limitBytes }: CapacityRange): number => {
  const bytes = Math.max(currentBytes, requiredBytes);
  if (limitBytes > 0 && bytes > limitBytes) {
    throw new DriverError(
      'out-of-range',
      `capacity_range.limit_bytes: expected at least ${bytes} (a volume never shrinks), got ${limitBytes}`,
    );
  }
  return bytes;
};

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
};

/** A Kubernetes quantity (`10Gi`, `500M`, `1.5T`) in bytes, or undefined. */
export const parseQuantity = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)(|[kMGTP]|[KMGTP]i)$/.exec(text);
  const unit = UNITS[match?.[2] ?? 'none'];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  const bytes = Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
};

/** Bytes for people: `1.5 GiB`. */
export const formatBytes = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[power]}`;
};
