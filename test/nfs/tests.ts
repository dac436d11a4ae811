/** A test is a name and what must not throw. */
export type Tests = Readonly<Record<string, () => Promise<void>>>;

export interface Order {
  /** The parts are taken in a circle, from this one. */
  readonly first: number;
  /** No more of their tests are begun once so many seconds have passed; what is left out is printed. */
  readonly seconds: number;
}

/**
 * One after another, a line each; returns the exit status. `wanted` are parts, or texts in the titles of tests; none: all.
 * `last` are parts that always come, after the others.
 */
export const runTests = async (parts: Parts, last: Parts, wanted: readonly string[], order: Order): Promise<number> => {
  const counts = { passed: 0, failed: 0 };
  const isWanted = ({ part, title }: Test): boolean =>
    wanted.length === 0 || wanted.some((text) => text === part || (text.includes(' ') && title.includes(text)));
  const all = Object.entries(parts);
  const start = order.first % all.length;
  for (const test of [...all.slice(start), ...all.slice(0, start)].flatMap(testsOf).filter(isWanted)) {
    if (performance.now() > order.seconds * 1000) console.info(`left out for lack of time: ${test.title}`);
    else counts[await runTest(test)] += 1;
  }
  for (const test of Object.entries(last).flatMap(testsOf).filter(isWanted)) counts[await runTest(test)] += 1;
  console.info(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
};

type Parts = Readonly<Record<string, Tests>>;

interface Test {
  readonly part: string;
  readonly title: string;
  readonly run: () => Promise<void>;
}

const testsOf = ([part, tests]: readonly [string, Tests]): readonly Test[] =>
  Object.entries(tests).map(([name, run]) => ({ part, title: `${part}: ${name}`, run }));

const runTest = async ({ title, run }: Test): Promise<'passed' | 'failed'> => {
  const started = performance.now();
  const failure = await run().then(() => undefined, describe);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.info(`${failure === undefined ? 'ok     ' : 'FAILED '} ${title} (${seconds} s)`);
  if (failure === undefined) return 'passed';
  console.info(failure);
  return 'failed';
};

const describe = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
