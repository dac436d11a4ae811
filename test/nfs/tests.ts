/** A test is a name and what must not throw. */
export type Tests = Readonly<Record<string, () => Promise<void>>>;

/**
 * One after another, a line each; returns the exit status. `wanted` are parts, or texts in the titles of tests; none: all.
 */
export const runTests = async (parts: Readonly<Record<string, Tests>>, wanted: readonly string[]): Promise<number> => {
  const counts = { passed: 0, failed: 0 };
  const isWanted = (part: string, title: string): boolean =>
    wanted.length === 0 || wanted.some((text) => text === part || (text.includes(' ') && title.includes(text)));
  for (const [part, tests] of Object.entries(parts)) {
    for (const [name, test] of Object.entries(tests)) {
      const title = `${part}: ${name}`;
      if (isWanted(part, title)) counts[await runTest(title, test)] += 1;
    }
  }
  console.info(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
};

const runTest = async (name: string, test: () => Promise<void>): Promise<'passed' | 'failed'> => {
  const started = performance.now();
  const failure = await test().then(() => undefined, describe);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.info(`${failure === undefined ? 'ok     ' : 'FAILED '} ${name} (${seconds} s)`);
  if (failure === undefined) return 'passed';
  console.info(failure);
  return 'failed';
};

const describe = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
