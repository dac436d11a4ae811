import { describe, expect, it } from 'vitest';
import { createLocks } from './locks.ts';

const patient = new AbortController().signal;

describe('a lock', () => {
  it('lets one at a time work on a key, in the order of the calls', async () => {
    const locks = createLocks();
    const story: string[] = [];
    const work = (name: string) =>
      locks.run(['key'], patient, async () => {
        story.push(`${name} begins`);
        await Promise.resolve();
        story.push(`${name} ends`);
      });
    await Promise.all([work('a'), work('b'), work('c')]);
    expect(story).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('of several keys cannot wait for each other', async () => {
    const locks = createLocks();
    const both = (keys: readonly string[]) => locks.run(keys, patient, async () => keys.join());
    expect(await Promise.all([both(['a', 'b']), both(['b', 'a']), both(['a', 'a'])])).toEqual(['a,b', 'b,a', 'a,a']);
  });

  it('is held until the work has ended, not until its caller has gone', async () => {
    const locks = createLocks();
    const gone = new AbortController();
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const first = locks.run(['key'], gone.signal, () => finished);
    await new Promise(setImmediate);
    gone.abort();
    let second = 'waits';
    const waiting = locks.run(['key'], patient, async () => {
      second = 'works';
    });
    await new Promise(setImmediate);
    expect(second).toBe('waits');
    finish();
    await Promise.all([first, waiting]);
    expect(second).toBe('works');
  });

  it('lets a caller leave the queue without holding up those behind', async () => {
    const locks = createLocks();
    const impatient = new AbortController();
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const first = locks.run(['key'], patient, () => finished);
    const second = locks.run(['key'], impatient.signal, async () => 'never');
    const third = locks.run(['key'], patient, async () => 'third');
    impatient.abort();
    await expect(second).rejects.toMatchObject({ kind: 'aborted' });
    finish();
    await first;
    expect(await third).toBe('third');
  });

  it('is free again after a failure', async () => {
    const locks = createLocks();
    await expect(locks.run(['key'], patient, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await locks.run(['key'], patient, async () => 'yes')).toBe('yes');
  });
});
