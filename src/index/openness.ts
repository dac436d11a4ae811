/** Whether a pool is open: only then is anything known of its volumes. */
export interface Openness {
  /** Why the pool is not open; undefined while it is. */
  readonly problem: () => string | undefined;
  readonly opened: () => void;
  readonly closed: (reason: string) => void;
  /** `listener` is called whenever an open pool is closed. */
  readonly whenClosed: (listener: () => void) => void;
}

export const createOpenness = (): Openness => {
  const listeners: (() => void)[] = [];
  let problem: string | undefined = 'its records have not been read yet';
  return {
    problem: () => problem,
    opened: () => {
      problem = undefined;
    },
    closed: (reason) => {
      const wasOpen = problem === undefined;
      problem = reason;
      if (wasOpen) for (const listener of listeners) listener();
    },
    whenClosed: (listener) => {
      listeners.push(listener);
    },
  };
};
