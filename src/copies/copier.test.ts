import { describe, expect, it } from 'vitest';
import { createLog } from '../system/log.ts';
import { type CopyJob, createCopier } from './copier.ts';

const job = (id: string, work: CopyJob['work'], pool = 'main'): CopyJob => ({ id, source: `${id}-source`, pool, work });
const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

const patient = new AbortController().signal;
/** Lets every promise that can resolve do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

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
    await settle();
    expect(begun).toEqual(['a', 'b', 'd']);
    gate.resolve();
    await Promise.all(all);
    expect(begun).toEqual(['a', 'b', 'd', 'c']);
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

  it('throws the failure of a copy in the background to all who wait', async () => {
    const copier = createCopier(createLog('silent'));
    copier.start(job('a', () => Promise.reject(new Error('full'))));
    const waits = [copier.wait('a', patient), copier.wait('a', patient)];
    for (const wait of waits) await expect(wait).rejects.toThrow('full');
    await copier.wait('a', patient);
    expect(copier.knows('a')).toBe(false);
  });

  it('keeps the failure of a copy for the next caller when nobody waits', async () => {
    const copier = createCopier(createLog('silent'));
    copier.start(job('a', () => Promise.reject(new Error('full'))));
    await settle();
    expect(copier.knows('a')).toBe(true);
    await expect(copier.wait('a', patient)).rejects.toThrow('full');
    expect(copier.knows('a')).toBe(false);
    await copier.wait('a', patient);
  });

  it('waits no longer than its caller, whose copy keeps running', async () => {
    const copier = createCopier(createLog('silent'));
    copier.start(job('a', untilAborted));
    const call = new AbortController();
    const wait = copier.wait('a', call.signal);
    call.abort();
    await expect(wait).rejects.toMatchObject({ kind: 'aborted', message: 'the copy is still running' });
    await expect(copier.wait('a', AbortSignal.abort())).rejects.toMatchObject({ kind: 'aborted' });
    expect(copier.knows('a')).toBe(true);
    await copier.stop();
    expect(copier.knows('a')).toBe(false);
  });

  it('cancels a copy that is running, and at once one that is queued', async () => {
    const copier = createCopier(createLog('silent'));
    let begun = false;
    for (const id of ['a', 'b']) copier.start(job(id, untilAborted));
    copier.start(
      job('c', async () => {
        begun = true;
      }),
    );
    await copier.cancel('c');
    expect(['a', 'b', 'c'].map(copier.knows)).toEqual([true, true, false]);
    await copier.cancel('a');
    expect(['a', 'b', 'c'].map(copier.knows)).toEqual([false, true, false]);
    expect(begun).toBe(false);
    await copier.stop();
  });

  it('cancels the copies that read a source, running and queued, and no other', async () => {
    const copier = createCopier(createLog('silent'));
    const read = (id: string, source: string) => copier.run({ ...job(id, untilAborted), source });
    const copies = [read('a', 'pvc-1'), read('b', 'pvc-2'), read('c', 'pvc-1')];
    const ends = Promise.allSettled(copies);
    await copier.cancelReaders('pvc-1');
    expect(['a', 'b', 'c'].map(copier.knows)).toEqual([false, true, false]);
    await expect(copies[0]).rejects.toMatchObject({
      kind: 'aborted',
      message: 'the copy was cancelled: its source is being deleted',
    });
    await copier.stop();
    expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('lets another source have its turn before the queue of the first', async () => {
    const copier = createCopier(createLog('silent'));
    const begun: string[] = [];
    const copy = (id: string, source: string): void => {
      const work = async (signal: AbortSignal): Promise<void> => {
        begun.push(id);
        await untilAborted(signal);
      };
      copier.start({ id, source, pool: 'main', work });
    };
    for (const number of [1, 2, 3, 4]) copy(`a${number}`, 'a');
    copy('b1', 'b');
    await settle();
    await copier.cancel('a1');
    await settle();
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    await copier.stop();
  });
});
