import { DriverError } from '../errors/errors.ts';

/**
 * Keeps one server that does not answer from holding up what has nothing to do with it. At most `limit` works run at
 * a time. Once one of them was not answered, the others fail at once, but for one every `retryMs` that tries again.
 */
export interface Breaker {
  readonly run: <Value>(work: () => Promise<Value>) => Promise<Value>;
  /** Why works fail at once; undefined while the server answers. */
  readonly problem: () => string | undefined;
}

export interface BreakerOptions {
  /** What the server is called in errors. */
  readonly server: string;
  readonly limit: number;
  readonly retryMs: number;
  /** Told when the server stops answering, and when it answers again. */
  readonly changed: (problem: string | undefined) => void;
}

export const createBreaker = ({ server, limit, retryMs, changed }: BreakerOptions): Breaker => {
  const waiting: (() => void)[] = [];
  let running = 0;
  let problem: string | undefined;
  let nextTry = 0;

  const set = (next: string | undefined): void => {
    const differs = (next === undefined) !== (problem === undefined);
    problem = next;
    if (differs) changed(next);
  };

  const rest = (reason: string): void => {
    set(reason);
    nextTry = performance.now() + retryMs;
  };

  const enter = async (): Promise<void> => {
    if (running < limit) {
      running += 1;
      return;
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  };

  const refuse = (): void => {
    if (problem !== undefined) throw new DriverError('unavailable', `${server} does not answer: ${problem}`);
  };
  /** True for the one that tries; those behind it fail at once until it is known how that ends. */
  const isTrial = (): boolean => {
    if (problem === undefined || performance.now() < nextTry) return false;
    nextTry = Number.POSITIVE_INFINITY;
    return true;
  };

  /** What the end of a work says of the server. Those that ran beside the trial do not count. */
  const learn = (trial: boolean, error?: DriverError): void => {
    const verdict = verdictOf(error);
    if (verdict === 'answers') set(undefined);
    else if (verdict === 'silent' && (trial || problem === undefined)) rest(error?.message ?? '');
    else if (trial) nextTry = performance.now() + retryMs;
  };

  const attempt = async <Value>(trial: boolean, work: () => Promise<Value>): Promise<Value> => {
    try {
      const value = await work();
      learn(trial);
      return value;
    } catch (thrown) {
      const error = DriverError.from(thrown);
      learn(trial, error);
      throw error;
    }
  };

  return {
    problem: () => problem,
    run: async (work) => {
      const trial = isTrial();
      if (!trial) refuse();
      await enter();
      try {
        // Whoever has waited here may have waited for what was not answered.
        if (!trial) refuse();
        return await attempt(trial, work);
      } finally {
        leave();
      }
    },
  };
};

/** `unavailable` tells nothing: a server that says no is there, a worker that was killed has not asked it. */
const verdictOf = (error: DriverError | undefined): 'answers' | 'silent' | 'unknown' => {
  if (error?.kind === 'deadline-exceeded' || error?.kind === 'unreachable') return 'silent';
  return error?.kind === 'unavailable' ? 'unknown' : 'answers';
};
