/** The value of a promise, or undefined once `ms` milliseconds have passed. The timer does not keep the process alive. */
export const within = <Value>(promise: Promise<Value>, ms: number): Promise<Value | undefined> =>
  Promise.race([promise, new Promise<undefined>((resolve) => setTimeout(resolve, ms, undefined).unref())]);
