/** Where the next process is to die: at its first step, or at a later one where that is known. */
export const createFuse = () => {
  const seen = new Set<string>();
  let at = 1;
  return {
    /** The number of that step, as CRASH_AT. */
    at: (): string => String(at),
    diedAt: (step: string): void => {
      at = seen.has(step) ? at + 1 : 1;
      seen.add(step);
    },
    /** Where processes have died, each once. */
    steps: (): readonly string[] => [...seen],
  };
};
