import type { FileHandle } from 'node:fs/promises';
import { limitFor } from '../domain/capacity.ts';
import type { Limit, VolumeRecord, VolumeRef } from '../domain/volume.ts';
import { DriverError } from '../errors/errors.ts';
import { createTurns } from '../subprocess/turns.ts';

/** A volume with what holds it to its size. */
export type HeldVolume = VolumeRef & { readonly limit: Limit };

export interface Usage {
  /** Of the volume. */
  readonly name: string;
  readonly usedBytes: number;
  /** Undefined: nothing holds it. */
  readonly limitBytes: number | undefined;
}

/** Holds volume directories to their sizes. What holds which volume is in the records. */
export interface Sizes {
  /** What is to hold a new volume; undefined where the root cannot hold any. */
  readonly newLimit: () => Promise<Limit | undefined>;
  /**
   * Holds a volume directory to a number of bytes from now on; the same again changes nothing. Throws
   * failed-precondition for a directory that cannot be held, aborted for a limit that somebody else has.
   */
  readonly hold: (volume: HeldVolume, bytes: number) => Promise<void>;
  /** Holds it no longer; its data stays. Nothing there is fine. */
  readonly lift: (volume: HeldVolume) => Promise<void>;
  /** Makes what was in the directory before count, too. */
  readonly include: (volume: HeldVolume) => Promise<void>;
  /** Takes back what was to hold a volume that has no directory any more. */
  readonly giveBack: (volume: Pick<HeldVolume, 'name' | 'limit'>) => Promise<void>;
  /**
   * Files and directories of a volume that do not count against its size, though it is enforced. Of a large volume only a
   * part is looked at: a million entries, or as many as can be read in some seconds.
   */
  readonly countStrays: (volume: HeldVolume) => Promise<Strays>;
  /** As the file system has it, whatever the records say. */
  readonly usages: (volumes: readonly HeldVolume[]) => Promise<readonly Usage[]>;
}

export interface Strays {
  readonly count: number;
  /** The path of one of them, in the volume. */
  readonly example: string;
}

/** One way of holding a directory, which is open. */
export interface SizeEngine {
  readonly newLimit: () => Limit;
  readonly hold: (directory: FileHandle, volume: HeldVolume, bytes: number) => Promise<void>;
  readonly lift: (directory: FileHandle, volume: HeldVolume) => Promise<void>;
  readonly include: (directory: FileHandle, volume: HeldVolume) => Promise<void>;
  readonly giveBack: (volume: Pick<HeldVolume, 'name' | 'limit'>) => Promise<void>;
  readonly countStrays: (directory: FileHandle, volume: HeldVolume) => Promise<Strays>;
  readonly usages: (volumes: readonly HeldVolume[]) => Promise<readonly Usage[]>;
}

export type SizeEngines = Readonly<Record<Limit['by'], SizeEngine>>;

/** Holds an open directory to the size of a volume that it will be, as `hold` does with one in its place. */
export const holdOpen = (
  engines: SizeEngines,
  directory: FileHandle,
  volume: HeldVolume & Pick<VolumeRecord, 'capacityBytes'>,
): Promise<void> => engines[volume.limit.by].hold(directory, volume, limitFor(volume.capacityBytes));

/** Each takes three or four children; more at once only wait for the processor. */
const AT_ONCE = 4;

export interface SizeTools {
  /** Works in the directory of a volume that still exists. */
  readonly change: <Value>(volume: VolumeRef, work: (directory: FileHandle) => Promise<Value>) => Promise<Value>;
  /** Which engine works on this root. */
  readonly abilities: () => Promise<{ readonly sizes: Limit['by'] | 'none' }>;
  readonly engines: SizeEngines;
}

export const createSizes = ({ change, abilities, engines }: SizeTools): Sizes => {
  const inTurn = createTurns(AT_ONCE);
  const within = <Value>(volume: HeldVolume, work: (engine: SizeEngine, directory: FileHandle) => Promise<Value>) =>
    inTurn(() => change(volume, (directory) => work(engines[volume.limit.by], directory)));
  return {
    newLimit: async () => {
      const { sizes } = await abilities();
      return sizes === 'none' ? undefined : engines[sizes].newLimit();
    },
    hold: (volume, bytes) => within(volume, (engine, directory) => engine.hold(directory, volume, limitFor(bytes))),
    lift: (volume) => within(volume, (engine, directory) => engine.lift(directory, volume)).catch(unlessMissing),
    include: (volume) => within(volume, (engine, directory) => engine.include(directory, volume)),
    countStrays: (volume) => within(volume, (engine, directory) => engine.countStrays(directory, volume)),
    giveBack: (volume) => engines[volume.limit.by].giveBack(volume),
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
