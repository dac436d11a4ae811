import { DriverError } from '../domain/errors.ts';
import type { SnapshotRecord } from '../domain/snapshot.ts';
import { type Context, type Shelf, snapshotIdOf, volumeIdOf } from './context.ts';
import { copyAside, findOrigin, type Origin } from './origin.ts';
import { finishDeleteSnapshot } from './snapshot-delete.ts';

/** Starts the copy of a snapshot, whose record says so, behind the caller. */
export const startCopy = (context: Context, shelf: Shelf, origin: Origin, record: SnapshotRecord): void =>
  context.copier.start({
    id: snapshotIdOf(shelf, record.name),
    source: volumeIdOf(shelf, record.volume),
    pool: shelf.pool.name,
    work: async (signal) => {
      try {
        await takeSnapshot(shelf, origin, record, signal);
      } catch (thrown) {
        await giveUp(context, shelf, record, thrown).catch(() => {
          // The storage does not let us; the record says `copying`, and a repeated call or the next start repairs it.
        });
        throw thrown;
      }
    },
  });

/** Goes on with a snapshot whose copy was ended with the process. */
export const resumeSnapshot = async (context: Context, shelf: Shelf, record: SnapshotRecord): Promise<void> => {
  try {
    const origin = await findOrigin(context, { kind: 'volume', id: volumeIdOf(shelf, record.volume) });
    startCopy(context, shelf, origin, record);
  } catch (thrown) {
    if (DriverError.from(thrown).kind !== 'not-found') throw thrown;
    await finishDeleteSnapshot(context, shelf, record);
  }
};

/** While this runs, nobody else changes the record: a deletion ends it first. */
const takeSnapshot = async (shelf: Shelf, origin: Origin, record: SnapshotRecord, signal: AbortSignal) => {
  const { root } = shelf.pool;
  // Of a process that has ended between the last two steps.
  await root.discardData(record.name);
  const copy = await copyAside(shelf, origin, { kind: 'snapshot', name: record.name }, signal);
  await root.keep(copy.name, record.name);
  await shelf.snapshots.replace({ ...record, state: 'ready', sizeBytes: copy.bytes });
};

/** What may work when it is tried again keeps its record: the caller was told of it. */
const giveUp = async (context: Context, shelf: Shelf, record: SnapshotRecord, thrown: unknown): Promise<void> => {
  context.purger.wake(shelf.pool.name);
  if (!PASSING.has(DriverError.from(thrown).kind)) await finishDeleteSnapshot(context, shelf, record);
};

const PASSING: ReadonlySet<string> = new Set(['unavailable', 'unreachable', 'deadline-exceeded']);
