/** A test is a name and what must not throw. */
export type Tests = Readonly<Record<string, () => Promise<void>>>;

/** One after another, a line each; answers the exit status. */
export const runTests = async (parts: Readonly<Record<string, Tests>>, wanted: readonly string[]): Promise<number> => {
  const counts = { passed: 0, failed: 0 };
  const chosen = Object.entries(parts).filter(([part]) => wanted.length === 0 || wanted.includes(part));
  for (const [part, tests] of chosen) {
    for (const [name, test] of Object.entries(tests)) counts[await runTest(`${part}: ${name}`, test)] += 1;
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
