import { describe, expect, it, vi } from 'vitest';
import { DriverError } from '../errors/errors.ts';
import { createBreaker } from './breaker.ts';

const silent = () => Promise.reject(new DriverError('deadline-exceeded', 'no answer within 5 ms'));
const fine = async () => 'fine';

describe('a breaker', () => {
  const create = (retryMs: number, limit = 4) => {
    const told: (string | undefined)[] = [];
    const breaker = createBreaker({ server: 'nas', limit, retryMs, changed: (problem) => told.push(problem) });
    return { ...breaker, told };
  };

  it('lets works run, and refuses them at once after one was not answered', async () => {
    const { run, problem, told } = create(60_000);
    expect(await run(fine)).toBe('fine');
    await expect(run(silent)).rejects.toMatchObject({ kind: 'deadline-exceeded' });
    let ran = false;
    const refused = run(async () => {
      ran = true;
    });
    await expect(refused).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'nas does not answer: no answer within 5 ms',
    });
    expect([ran, problem(), told]).toEqual([false, 'no answer within 5 ms', ['no answer within 5 ms']]);
  });

  it('is not moved by an error that is an answer', async () => {
    const { run, problem } = create(60_000);
    await expect(run(() => Promise.reject(new DriverError('not-found', 'none')))).rejects.toMatchObject({
      kind: 'not-found',
    });
    expect(problem()).toBeUndefined();
    expect(await run(fine)).toBe('fine');
  });

  it('lets one work try again, and all of them when that one is answered', async () => {
    const { run, told } = create(0);
    await expect(run(silent)).rejects.toThrow();
    const { promise, resolve } = Promise.withResolvers<string>();
    const trial = run(() => promise);
    await expect(run(fine)).rejects.toMatchObject({ kind: 'unavailable' });
    resolve('back');
    expect(await trial).toBe('back');
    expect(await run(fine)).toBe('fine');
    expect(told).toEqual(['no answer within 5 ms', undefined]);
  });

  it('lets one work try again on time when the clock of the machine is set back meanwhile', async () => {
    const { run } = create(0);
    await expect(run(silent)).rejects.toThrow();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() - 3_600_000);
    try {
      expect(await run(fine)).toBe('fine');
    } finally {
      clock.mockRestore();
    }
  });

  it('runs no more at a time than its limit', async () => {
    const { run } = create(0, 2);
    let running = 0;
    let most = 0;
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
    };
    await Promise.all(Array.from({ length: 10 }, () => run(work)));
    expect([most, running]).toEqual([2, 0]);
  });
});
