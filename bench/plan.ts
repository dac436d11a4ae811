/** How much is measured. */
export interface Plan {
  readonly warmUp: Level;
  readonly levels: readonly Level[];
  /** Volumes that exist when creation and memory are looked at. */
  readonly populations: readonly number[];
  /** Volumes made, one after the other, to time creation at a population. */
  readonly creations: number;
  readonly starts: number;
  /** Milliseconds the driver rests before its memory is read. */
  readonly restMs: number;
}

/** Callers at the same time, and what they share: every call once per volume and round. */
export interface Level {
  readonly callers: number;
  readonly volumes: number;
  readonly rounds: number;
}

export const FULL: Plan = {
  warmUp: { callers: 16, volumes: 100, rounds: 2 },
  levels: [
    { callers: 1, volumes: 100, rounds: 4 },
    { callers: 16, volumes: 160, rounds: 4 },
    { callers: 100, volumes: 300, rounds: 3 },
  ],
  populations: [10, 1_000, 10_000],
  creations: 200,
  starts: 5,
  restMs: 3_000,
};

/** Proves in seconds that everything can be measured; its numbers mean little. */
export const QUICK: Plan = {
  warmUp: { callers: 4, volumes: 10, rounds: 1 },
  levels: [
    { callers: 1, volumes: 10, rounds: 1 },
    { callers: 16, volumes: 16, rounds: 1 },
    { callers: 100, volumes: 100, rounds: 1 },
  ],
  populations: [10, 100, 300],
  creations: 20,
  starts: 1,
  restMs: 200,
};
