import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { slowest } from './test/support/slowest.ts';

export default defineConfig({
  test: {
    reporters: ['default', slowest],
    // Vitest would leave one processor to itself. Most of a test here is waiting for a process that starts.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/spec/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      // Real processes, sockets and mounts; a bound for a machine that is busy, not a measure.
      {
        test: {
          name: 'driver',
          include: ['test/driver/**/*.test.ts'],
          globalSetup: 'test/support/programs.ts',
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      { test: { name: 'chart', include: ['test/chart/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 } },
      // A cluster, and one file after the other: they change what all of them use.
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/local/**/*.test.ts'],
          globalSetup: 'test/e2e/setup.ts',
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e-nfs',
          include: ['test/e2e/shared/**/*.test.ts'],
          globalSetup: 'test/e2e/setup-nfs.ts',
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
