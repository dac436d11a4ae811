import { describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { type CopyJob, createCopier } from './copier.ts';

const job = (id: string, work: CopyJob['work'], pool = 'main'): CopyJob => ({ id, source: `${id}-source`, pool, work });
const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

describe('a copier', () => {
  it('runs two copies of a pool at a time, and those of another beside them', async () => {
    const copier = createCopier(createLog('silent'));
    const gate = Promise.withResolvers<void>();
    const begun: string[] = [];
    const work = (id: string) => async () => {
      begun.push(id);
      await gate.promise;
    };
    const all = ['a', 'b', 'c'].map((id) => copier.run(job(id, work(id))));
    all.push(copier.run(job('d', work('d'), 'other')));
    await Promise.resolve();
    expect(begun).toEqual(['a', 'b', 'd']);
    expect([copier.isRead('c-source'), copier.isRead('e-source')]).toEqual([true, false]);
    gate.resolve();
    await Promise.all(all);
    expect(begun).toEqual(['a', 'b', 'd', 'c']);
    expect(copier.isRead('a-source')).toBe(false);
  });

  it('joins the copy of the same id', async () => {
    const copier = createCopier(createLog('silent'));
    let runs = 0;
    const count = async (): Promise<void> => {
      runs += 1;
    };
    await Promise.all([copier.run(job('a', count)), copier.run(job('a', count))]);
    expect(runs).toBe(1);
  });

  it('tells once what a copy behind has failed with', async () => {
    const copier = createCopier(createLog('silent'));
    copier.start(job('a', () => Promise.reject(new Error('full'))));
    await expect(copier.wait('a', 1_000)).rejects.toThrow('full');
    expect([copier.knows('a'), await copier.wait('a', 1_000)]).toEqual([false, true]);
  });

  it('does not wait longer than it is told to', async () => {
    const copier = createCopier(createLog('silent'));
    copier.start(job('a', untilAborted));
    expect(await copier.wait('a', 1)).toBe(false);
    await copier.stop();
    expect(copier.knows('a')).toBe(false);
  });

  it('cancels a copy that runs, and one that waits for its turn, without a trace', async () => {
    const copier = createCopier(createLog('silent'));
    let begun = false;
    for (const id of ['a', 'b']) copier.start(job(id, untilAborted));
    copier.start(
      job('c', async () => {
        begun = true;
      }),
    );
    const cancelled = copier.cancel('c');
    await copier.cancel('a');
    await cancelled;
    expect([begun, copier.knows('a'), copier.knows('b'), copier.knows('c')]).toEqual([false, false, true, false]);
    await copier.stop();
  });
});
