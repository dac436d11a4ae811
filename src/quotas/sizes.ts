import type { FileHandle } from 'node:fs/promises';
import { limitFor } from '../domain/capacity.ts';
import type { Limit, VolumeRecord, VolumeRef } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import { createLimiter } from '../subprocess/limiter.ts';

/** A volume whose size the file system enforces, and how. */
export type LimitedVolume = VolumeRef & { readonly limit: Limit };

export interface Usage {
  /** Of the volume. */
  readonly name: string;
  readonly usedBytes: number;
  /** Undefined where the file system has no limit for it. */
  readonly limitBytes: number | undefined;
}

/** Enforces the sizes of volume directories. The record of a volume says how its size is enforced. */
export interface Sizes {
  /** The limit that a new volume gets in its record; undefined where the root cannot enforce sizes. */
  readonly newLimit: () => Promise<Limit | undefined>;
  /**
   * Limits a volume directory to a number of bytes. Idempotent. Throws failed-precondition for a directory that cannot be
   * limited, and aborted when another volume uses the same limit.
   */
  readonly enforce: (volume: LimitedVolume, bytes: number) => Promise<void>;
  /** Removes the limit of a volume and keeps its data. Succeeds when the directory does not exist. */
  readonly clear: (volume: LimitedVolume) => Promise<void>;
  /** Makes files that existed before the limit count against it. */
  readonly countExisting: (volume: LimitedVolume) => Promise<void>;
  /** Releases the limit of a volume whose directory no longer exists. */
  readonly release: (volume: Pick<LimitedVolume, 'name' | 'limit'>) => Promise<void>;
  /**
   * Files and directories of a volume that do not count against its enforced size. Reads at most a million entries of a
   * large volume, or as many as it can in a few seconds.
   */
  readonly countStrays: (volume: LimitedVolume) => Promise<Strays>;
  /** Usage and limit as the file system reports them, whatever the records say. */
  readonly usages: (volumes: readonly LimitedVolume[]) => Promise<readonly Usage[]>;
}

export interface Strays {
  readonly count: number;
  /** The path of one of them, in the volume. */
  readonly example: string;
}

/** One way to enforce the size of an open directory. */
export interface SizeEngine {
  readonly newLimit: () => Limit;
  readonly enforce: (directory: FileHandle, volume: LimitedVolume, bytes: number) => Promise<void>;
  readonly clear: (directory: FileHandle, volume: LimitedVolume) => Promise<void>;
  readonly countExisting: (directory: FileHandle, volume: LimitedVolume) => Promise<void>;
  readonly release: (volume: Pick<LimitedVolume, 'name' | 'limit'>) => Promise<void>;
  readonly countStrays: (directory: FileHandle, volume: LimitedVolume) => Promise<Strays>;
  readonly usages: (volumes: readonly LimitedVolume[]) => Promise<readonly Usage[]>;
}

export type SizeEngines = Readonly<Record<Limit['by'], SizeEngine>>;

/** Limits an open directory that will become the volume. `enforce` does the same for a directory that already is one. */
export const enforceOpen = (
  engines: SizeEngines,
  directory: FileHandle,
  volume: LimitedVolume & Pick<VolumeRecord, 'capacityBytes'>,
): Promise<void> => engines[volume.limit.by].enforce(directory, volume, limitFor(volume.capacityBytes));

/** Each change runs three or four subprocesses. More of them would only wait for the processor. */
const AT_ONCE = 4;

export interface SizeTools {
  /** Works in the directory of a volume that still exists. */
  readonly change: <Value>(volume: VolumeRef, work: (directory: FileHandle) => Promise<Value>) => Promise<Value>;
  /** Which engine works on this root. */
  readonly abilities: () => Promise<{ readonly sizes: Limit['by'] | 'none' }>;
  readonly engines: SizeEngines;
}

export const createSizes = ({ change, abilities, engines }: SizeTools): Sizes => {
  const limiter = createLimiter(AT_ONCE);
  const within = <Value>(volume: LimitedVolume, work: (engine: SizeEngine, directory: FileHandle) => Promise<Value>) =>
    limiter(() => change(volume, (directory) => work(engines[volume.limit.by], directory)));
  return {
    newLimit: async () => {
      const { sizes } = await abilities();
      return sizes === 'none' ? undefined : engines[sizes].newLimit();
    },
    enforce: (volume, bytes) =>
      within(volume, (engine, directory) => engine.enforce(directory, volume, limitFor(bytes))),
    clear: (volume) => within(volume, (engine, directory) => engine.clear(directory, volume)).catch(unlessMissing),
    countExisting: (volume) => within(volume, (engine, directory) => engine.countExisting(directory, volume)),
    countStrays: (volume) => within(volume, (engine, directory) => engine.countStrays(directory, volume)),
    release: (volume) => engines[volume.limit.by].release(volume),
    usages: async (volumes) => {
      const byEngine = Object.entries(engines).map(([by, engine]) => {
        const held = volumes.filter(({ limit }) => limit.by === by);
        return held.length === 0 ? [] : engine.usages(held);
      });
      return (await Promise.all(byEngine)).flat();
    },
  };
};

const unlessMissing = (thrown: unknown): void => {
  if (!(thrown instanceof DriverError) || thrown.kind !== 'not-found') throw thrown;
};
