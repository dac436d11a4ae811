import { describe, expect, it } from 'vitest';
import { createLimiter } from './limiter.ts';

/** Work that runs until it is told to end; `started` lists what has begun, in order. */
const createBench = (limit: number, lentMs?: number) => {
  const limiter = createLimiter(limit, lentMs);
  const started: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const results: Promise<void>[] = [];
  return {
    started,
    add: (source: string, name: string, signal = new AbortController().signal) => {
      const gate = Promise.withResolvers<void>();
      ends.set(name, gate);
      const work = async (): Promise<void> => {
        started.push(name);
        await gate.promise;
      };
      const result = limiter(work, { source, signal });
      result.catch(() => {});
      results.push(result);
    },
    end: async (name: string, failure?: Error) => {
      if (failure === undefined) ends.get(name)?.resolve();
      else ends.get(name)?.reject(failure);
      await settle();
    },
    results,
  };
};

/** Lets every promise that can resolve do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('run a few pieces of work at a time, in order, also after one has failed', async () => {
    const bench = createBench(2);
    for (const name of ['1', '2', '3', '4', '5']) bench.add('a', name);
    await settle();
    expect(bench.started).toEqual(['1', '2']);
    await bench.end('2', new Error('two'));
    expect(bench.started).toEqual(['1', '2', '3']);
    for (const name of ['1', '3', '4', '5']) await bench.end(name);
    const ends = await Promise.allSettled(bench.results);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect(bench.started).toEqual(['1', '2', '3', '4', '5']);
  });

  it('let a source that comes late run before the queue of another one', async () => {
    const bench = createBench(2);
    for (const name of ['a1', 'a2', 'a3', 'a4']) bench.add('a', name);
    bench.add('b', 'b1');
    await settle();
    await bench.end('a1');
    expect(bench.started).toEqual(['a1', 'a2', 'b1']);
  });

  it('go round between the sources, however many each of them has waiting', async () => {
    const bench = createBench(1);
    for (const source of ['a', 'b', 'c']) {
      for (const number of [1, 2, 3]) bench.add(source, `${source}${number}`);
    }
    await settle();
    for (let index = 0; index < 9; index += 1) await bench.end(bench.started[index] ?? '');
    expect(bench.started).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'a3', 'b3', 'c3']);
  });

  it('serve a source with a queue in the end, however many new sources come', async () => {
    const bench = createBench(2);
    bench.add('a', 'a1');
    bench.add('new0', 'new0');
    bench.add('a', 'a2');
    bench.add('new1', 'new1');
    await settle();
    await bench.end('a1');
    expect(bench.started).toEqual(['a1', 'new0', 'new1']);
    bench.add('new2', 'new2');
    await bench.end('new0');
    expect(bench.started.at(-1)).toBe('a2');
  });

  it('never start work that was cancelled while it waited', async () => {
    const bench = createBench(1);
    const cancel = new AbortController();
    bench.add('a', 'a1');
    bench.add('a', 'a2', cancel.signal);
    bench.add('b', 'b1', cancel.signal);
    bench.add('b', 'b2');
    cancel.abort(new Error('cancelled'));
    await expect(Promise.all(bench.results.slice(1, 3))).rejects.toThrow('cancelled');
    expect(bench.started).toEqual(['a1']);
    await bench.end('a1');
    expect(bench.started).toEqual(['a1', 'b2']);
    bench.add('c', 'c1', AbortSignal.abort(new Error('too late')));
    await expect(bench.results.at(-1)).rejects.toThrow('too late');
  });

  it('do not wait for work that takes too long, and count it once', async () => {
    const bench = createBench(1, 20);
    bench.add('a', 'endless');
    bench.add('b', 'b1');
    bench.add('c', 'c1');
    await expect.poll(() => bench.started).toEqual(['endless', 'b1', 'c1']);
    for (const name of ['endless', 'b1', 'c1']) await bench.end(name);
    for (const name of ['1', '2']) bench.add('d', name);
    // No timer fires between these.
    for (let tick = 0; tick < 10; tick += 1) await Promise.resolve();
    expect(bench.started.slice(3)).toEqual(['1']);
  });
});
