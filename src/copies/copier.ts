import { DriverError } from '../errors/errors.ts';
import { createLimiter, type Limiter } from '../subprocess/limiter.ts';
import type { Log } from '../system/log.ts';

/** One copy: what it makes, and what of. */
export interface CopyJob {
  /** Id of the volume or snapshot that it makes. */
  readonly id: string;
  /** Id of the one that it reads. */
  readonly source: string;
  readonly pool: string;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

/** Runs copies: a few per pool at a time, the others wait; see `createLimiter` for their order. */
export interface Copier {
  /** Runs a copy, or joins the one of that id, to its end. */
  readonly run: (job: CopyJob) => Promise<void>;
  /** The same in the background. A failure is thrown to those who wait, or else to whoever waits next. */
  readonly start: (job: CopyJob) => void;
  /** Resolves when the copy of that id has ended. Throws its failure, or aborted when `signal` is aborted first. */
  readonly wait: (id: string, signal: AbortSignal) => Promise<void>;
  /** True for a copy that is running or queued, or has failed while nobody waited. */
  readonly knows: (id: string) => boolean;
  /** Ends the copy of that id and waits until nothing of it is running. Nobody learns of its failure later. */
  readonly cancel: (id: string) => Promise<void>;
  /** Ends the copies that read a volume or snapshot, and waits until nothing of them is running. */
  readonly cancelReaders: (source: string) => Promise<void>;
  /** Ends all of them; what they were making is made again at the next start. */
  readonly stop: () => Promise<void>;
}

/** More than two only make each other slow on one disk. */
const LIMIT = 2;
/** Milliseconds after which a copy no longer keeps others waiting: its volume may be written to faster than it is read. */
const LENT_MS = 600_000;

export const createCopier = (log: Log): Copier => {
  const running = new Map<string, Running>();
  const failures = new Map<string, unknown>();
  const limiters = new Map<string, Limiter>();

  const begin = ({ id, source, pool, work }: CopyJob): Promise<void> => {
    const cancel = new AbortController();
    const limiter = limiters.get(pool) ?? createLimiter(LIMIT, LENT_MS);
    limiters.set(pool, limiter);
    const order = { source, signal: cancel.signal };
    const ended = limiter(() => work(cancel.signal), order)
      .catch((thrown: unknown) => {
        // Work that was cancelled fails in its own words.
        throw cancel.signal.aborted ? cancel.signal.reason : thrown;
      })
      .finally(() => running.delete(id));
    running.set(id, { source, cancel, ended });
    return ended;
  };

  const end = async (id: string, reason: DriverError): Promise<void> => {
    const copy = running.get(id);
    copy?.cancel.abort(reason);
    await copy?.ended.catch(() => {});
    failures.delete(id);
  };

  const run: Copier['run'] = (job) => running.get(job.id)?.ended ?? begin(job);

  return {
    run,
    start: (job) => {
      run(job).catch((thrown: unknown) => {
        log.warn({ id: job.id, source: job.source, err: thrown }, 'copy failed');
        failures.set(job.id, thrown);
      });
    },
    wait: async (id, signal) => {
      try {
        await until(running.get(id)?.ended ?? fail(failures, id), signal);
      } finally {
        failures.delete(id);
      }
    },
    knows: (id) => running.has(id) || failures.has(id),
    cancel: (id) => end(id, new DriverError('aborted', 'the copy was cancelled: what it was for is being deleted')),
    cancelReaders: async (source) => {
      const reason = new DriverError('aborted', 'the copy was cancelled: its source is being deleted');
      const readers = [...running.values()].filter((copy) => copy.source === source);
      for (const { cancel } of readers) cancel.abort(reason);
      await Promise.allSettled(readers.map(({ ended }) => ended));
    },
    stop: async () => {
      const reason = new DriverError('unavailable', 'the driver is stopping');
      await Promise.all([...running.keys()].map((id) => end(id, reason)));
    },
  };
};

interface Running {
  readonly source: string;
  readonly cancel: AbortController;
  readonly ended: Promise<void>;
}

/** Throws the failure of a copy that has ended, if it had one. */
const fail = async (failures: ReadonlyMap<string, unknown>, id: string): Promise<void> => {
  if (failures.has(id)) throw failures.get(id);
};

const until = async (ended: Promise<void>, signal: AbortSignal): Promise<void> => {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new DriverError('aborted', 'the copy is still running'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([ended, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};
