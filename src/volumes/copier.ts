import { DriverError } from '../domain/errors.ts';
import { createTurns, type InTurn } from '../host/turns.ts';
import type { Log } from '../log.ts';

/** One copy: what it makes, and what of. */
export interface CopyJob {
  /** Id of the volume or snapshot that it makes. */
  readonly id: string;
  /** Id of the one that it reads. */
  readonly source: string;
  readonly pool: string;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

/** Runs copies: a few per pool at a time, the others wait. */
export interface Copier {
  /** Runs a copy, or joins the one of that id, to its end. */
  readonly run: (job: CopyJob) => Promise<void>;
  /** The same behind the caller. How it ends is told to who waits for it next. */
  readonly start: (job: CopyJob) => void;
  /** Waits at most `ms` milliseconds. False while the copy goes on. Throws what a started one has failed with, once. */
  readonly wait: (id: string, ms: number) => Promise<boolean>;
  /** True for a copy that goes on, or has failed while nobody waited. */
  readonly knows: (id: string) => boolean;
  /** Ends the copy of that id and waits until nothing of it runs any more. */
  readonly cancel: (id: string) => Promise<void>;
  /** True while a volume or snapshot is read: it must stay. */
  readonly isRead: (source: string) => boolean;
  /** Ends all of them; what they were making is made again at the next start. */
  readonly stop: () => Promise<void>;
}

/** More than two only make each other slow on one disk. */
const LIMIT = 2;

export const createCopier = (log: Log): Copier => {
  const running = new Map<string, Running>();
  const failures = new Map<string, unknown>();
  const turns = new Map<string, InTurn>();

  const begin = ({ id, source, pool, work }: CopyJob): Promise<void> => {
    const cancel = new AbortController();
    const inTurn = turns.get(pool) ?? createTurns(LIMIT);
    turns.set(pool, inTurn);
    const ended = inTurn(async () => {
      cancel.signal.throwIfAborted();
      await work(cancel.signal);
    }).finally(() => running.delete(id));
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
    wait: async (id, ms) => {
      await within(
        running.get(id)?.ended.catch(() => {}),
        ms,
      );
      if (!failures.has(id)) return !running.has(id);
      const failure = failures.get(id);
      failures.delete(id);
      throw failure;
    },
    knows: (id) => running.has(id) || failures.has(id),
    cancel: (id) => end(id, new DriverError('aborted', 'the copy was cancelled: what it was for is being deleted')),
    isRead: (source) => [...running.values()].some((copy) => copy.source === source),
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

const within = async (work: Promise<void> | undefined, ms: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
};
