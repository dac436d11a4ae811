import type { Reporter, TestCase } from 'vitest/node';

/** Prints the tests that took the longest, for those who want `npm test` to be faster. */
export const slowest: Reporter = {
  onTestRunEnd: (modules) => {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const longest = tests.toSorted((one, other) => secondsOf(other) - secondsOf(one)).slice(0, 10);
    console.info(`The slowest of ${tests.length} tests:`);
    for (const test of longest) {
      const seconds = secondsOf(test).toFixed(1).padStart(7);
      console.info(`${seconds} s  ${test.module.relativeModuleId}: ${test.fullName}`);
    }
  },
};

const secondsOf = (test: TestCase): number => (test.diagnostic()?.duration ?? 0) / 1000;
