import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DriverError } from '../errors/errors.ts';
import type { Root } from '../roots/root.ts';
import { createLog } from '../system/log.ts';
import { createPurger } from './purger.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A trash with entries that can be removed, and others that cannot. */
const open = (entries: Set<string>, stuck: ReadonlySet<string>) => {
  const attempts: string[] = [];
  const root: Pick<Root, 'listTrash' | 'purge'> = {
    listTrash: async () => [...entries],
    purge: async (entry) => {
      attempts.push(entry);
      if (stuck.has(entry)) throw new Error('it cannot be removed');
      entries.delete(entry);
    },
  };
  return { attempts, purger: createPurger(new Map([['main', root as Root]]), createLog('silent')) };
};

it('retries one entry in 30 seconds, however many deletions come in between', async () => {
  const entries = new Set(['stuck']);
  const { attempts, purger } = open(entries, new Set(['stuck']));
  for (let second = 0; second < 31; second += 1) {
    entries.add(`plain-${second}`);
    purger.wake('main');
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(attempts.filter((entry) => entry === 'stuck').length).toBeLessThanOrEqual(2);
  expect(purger.backlog('main')).toEqual({ entries: 1, stuck: 1 });
  purger.stop();
});

it('removes everything else first, and retries later and later', async () => {
  const entries = new Set(['stuck', 'a', 'b']);
  const { attempts, purger } = open(entries, new Set(['stuck']));
  purger.wake('main');
  await vi.advanceTimersByTimeAsync(1_000);
  expect([...entries]).toEqual(['stuck']);
  await vi.advanceTimersByTimeAsync(600_000);
  // After 30, 60, 120 and 240 seconds.
  expect(attempts.filter((entry) => entry === 'stuck').length).toBe(5);
  purger.stop();
});

it('removes what was stuck once nothing is in the way any more', async () => {
  const entries = new Set(['stuck']);
  const stuck = new Set(['stuck']);
  const { purger } = open(entries, stuck);
  purger.wake('main');
  await vi.advanceTimersByTimeAsync(1_000);
  stuck.clear();
  await vi.advanceTimersByTimeAsync(61_000);
  expect(purger.backlog('main')).toEqual({ entries: 0, stuck: 0 });
  purger.stop();
});

it('removes everything within a minute after the storage answers again', async () => {
  const entries = new Set(Array.from({ length: 100 }, (_, index) => `entry-${index}`));
  let isSilent = true;
  let attempts = 0;
  const root: Pick<Root, 'listTrash' | 'purge'> = {
    listTrash: async () => [...entries],
    purge: async (entry) => {
      attempts += 1;
      if (isSilent) throw new DriverError('unavailable', 'nas does not answer');
      entries.delete(entry);
    },
  };
  const purger = createPurger(new Map([['main', root as Root]]), createLog('silent'));
  purger.wake('main');
  await vi.advanceTimersByTimeAsync(600_000);
  expect(attempts).toBeLessThan(100);
  expect(purger.backlog('main')).toEqual({ entries: 100, stuck: 0 });
  isSilent = false;
  await vi.advanceTimersByTimeAsync(31_000);
  expect(purger.backlog('main')).toEqual({ entries: 0, stuck: 0 });
  purger.stop();
});

it('removes the others although one of them ends the worker each time', async () => {
  const entries = new Set(['deadly', 'a', 'b', 'c', 'd', 'e']);
  const root: Pick<Root, 'listTrash' | 'purge'> = {
    listTrash: async () => [...entries],
    purge: async (entry) => {
      if (entry === 'deadly') throw new DriverError('unavailable', 'the worker of the pool has ended');
      entries.delete(entry);
    },
  };
  const purger = createPurger(new Map([['main', root as Root]]), createLog('silent'));
  purger.wake('main');
  await vi.advanceTimersByTimeAsync(1_000);
  expect([...entries]).toEqual(['deadly']);
  purger.stop();
});
