import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { type Progress, watchProgress } from './progress.ts';

describe('the progress of a copy', () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const clean of cleanups.splice(0)) clean();
  });
  const watch = (patienceMs: number): Progress => {
    const progress = watchProgress(patienceMs);
    cleanups.push(progress.end);
    return progress;
  };
  const start = (script: string): number => {
    const child = spawn('/bin/sh', ['-c', script], { stdio: 'ignore' });
    cleanups.push(() => child.kill('SIGKILL'));
    return child.pid ?? 0;
  };
  const stall = async ({ stalled }: Progress): Promise<unknown> => {
    if (!stalled.aborted) await once(stalled, 'abort');
    return stalled.reason;
  };

  it('ends when a process neither prints nor reads nor writes', async () => {
    const progress = watch(60);
    progress.read(`${start('exec sleep 60')}\n`);
    expect(await stall(progress)).toMatchObject({
      kind: 'deadline-exceeded',
      message: 'the copy made no progress for 0.06 s',
    });
  });

  it('goes on while the process reads or writes', async () => {
    const busy = watch(500);
    busy.read(`${start('exec cat /dev/zero >/dev/null')}\n`);
    const idle = watch(1_000);
    idle.read(`${start('exec sleep 60')}\n`);
    expect(await stall(idle)).toMatchObject({ message: 'the copy made no progress for 1 s' });
    expect(busy.stalled.aborted).toBe(false);
  });

  it('goes on while there is output', async () => {
    const progress = watch(500);
    progress.read(`${start('exec sleep 60')}\n`);
    const timer = setInterval(() => progress.read('\n'), 10);
    const idle = watch(1_000);
    await stall(idle);
    expect(progress.stalled.aborted).toBe(false);
    clearInterval(timer);
    await stall(progress);
  });
});
