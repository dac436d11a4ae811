/**
 * Runs at most `limit` pieces of work at a time. Sources take turns: whichever has the fewest running goes first, so
 * that a long queue of one delays another by what is running already, and no more. Work that takes longer than `lentMs`
 * stops counting, so that nobody can keep others from theirs by work without an end.
 */
export type Limiter = <Value>(work: () => Promise<Value>, order?: Order) => Promise<Value>;

export interface Order {
  readonly source: string;
  /** Work that still waits when this is aborted never starts: its reason is thrown. */
  readonly signal: AbortSignal;
}

export const createLimiter = (limit: number, lentMs?: number): Limiter => {
  // In the order in which they arrived, or last had work that ended.
  const sources = new Map<string, Source>();
  let free = limit;

  const serve = (): void => {
    const [source] = [...sources.values()].filter(({ waiting }) => waiting.size > 0).sort(byRunning);
    const [start] = source?.waiting ?? [];
    if (free === 0 || source === undefined || start === undefined) return;
    free -= 1;
    source.running += 1;
    source.waiting.delete(start);
    start();
  };

  const rejoin = (name: string, source: Source): void => {
    sources.delete(name);
    if (source.running > 0 || source.waiting.size > 0) sources.set(name, source);
  };

  return async (work, { source: name, signal } = ALONE) => {
    const source = sources.get(name) ?? { running: 0, waiting: new Set() };
    sources.set(name, source);
    const turn = waitIn(source.waiting, signal);
    serve();
    try {
      await turn;
    } catch (thrown) {
      rejoin(name, source);
      throw thrown;
    }
    const giveBack = once(() => {
      free += 1;
      serve();
    });
    const timer = lentMs === undefined ? undefined : setTimeout(giveBack, lentMs).unref();
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      clearTimeout(timer);
      source.running -= 1;
      rejoin(name, source);
      giveBack();
    }
  };
};

interface Source {
  running: number;
  /** What starts each piece of work, in order. */
  readonly waiting: Set<() => void>;
}

/** For work that has neither. */
const ALONE: Order = { source: '', signal: new AbortController().signal };

const byRunning = (a: Source, b: Source): number => a.running - b.running;

const once = (act: () => void): (() => void) => {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
};

const waitIn = (waiting: Source['waiting'], signal: AbortSignal): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = (): void => {
    waiting.delete(start);
    reject(signal.reason);
  };
  const start = (): void => {
    signal.removeEventListener('abort', leave);
    resolve();
  };
  waiting.add(start);
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  return promise;
};
