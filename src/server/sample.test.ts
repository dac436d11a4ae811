import { describe, expect, it } from 'vitest';
import { shareSample } from './sample.ts';

describe('a sample', () => {
  it('is taken once for everybody who asks at once or shortly after', async () => {
    let taken = 0;
    const share = shareSample(async () => {
      taken += 1;
      await new Promise(setImmediate);
      return taken;
    });
    expect(new Set(await Promise.all(Array.from({ length: 300 }, share)))).toEqual(new Set([1]));
    expect([await share(), taken]).toEqual([1, 1]);
  });

  it('that failed is taken again', async () => {
    let taken = 0;
    const share = shareSample(async () => {
      taken += 1;
      if (taken === 1) throw new Error('no');
      return taken;
    });
    await expect(share()).rejects.toThrow('no');
    expect(await share()).toBe(2);
  });
});
