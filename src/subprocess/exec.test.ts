import { describe, expect, it } from 'vitest';
import { CommandError, createExec, noObserver } from './exec.ts';

const exec = createExec(noObserver);
const sh = (script: string) => ({ binary: '/bin/sh', args: ['-c', script] }) as const;

describe('a subprocess', () => {
  it('keeps the first part of its error output and runs to its end', async () => {
    const noisy = exec(sh('seq 1 100000 >&2; echo done >&2; exit 3'));
    const failure = await noisy.catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(CommandError);
    expect(failure).toMatchObject({ exitCode: 3, signal: undefined, stderr: expect.stringMatching(/^1\n2\n/) });
    expect(failure).toHaveProperty('stderr.length', 65_536);
    expect(await exec(sh('seq 1 100000 >&2; echo done'))).toBe('done');
  });

  it('fails when it prints more than its caller can use', async () => {
    const endless = { ...sh('while echo line; do :; done'), deadlineMs: 60_000 };
    await expect(exec({ ...endless, maxOutput: 100 })).rejects.toMatchObject({
      kind: 'internal',
      message: '/bin/sh printed more than 100 characters',
    });
    expect(await exec({ ...sh('printf 0123456789'), maxOutput: 10 })).toBe('0123456789');
  });

  it('passes on output of any length as it arrives', async () => {
    const received = { output: '', error: '' };
    const output = await exec({
      ...sh('seq 1 300000; seq 1 100000 >&2'),
      onOutput: (text) => {
        received.output += text;
      },
      onError: (text) => {
        received.error += text;
      },
    });
    expect(output).toBe('');
    expect(received.output).toMatch(/^1\n[\d\n]*\n300000\n$/);
    expect(received.error).toMatch(/^1\n[\d\n]*\n100000\n$/);
  });

  it('names the signal that ended it, and what could not be started', async () => {
    await expect(exec(sh('kill -KILL $$'))).rejects.toMatchObject({
      message: '/bin/sh was ended by SIGKILL',
      exitCode: undefined,
      signal: 'SIGKILL',
    });
    await expect(exec({ binary: '/nowhere', args: [] })).rejects.toMatchObject({
      message: '/nowhere could not be started',
      stderr: expect.stringContaining('ENOENT'),
    });
  });

  it('is killed with its children at its deadline, or when its signal is aborted', async () => {
    await expect(exec({ ...sh('sleep 60 | sleep 60'), deadlineMs: 50 })).rejects.toMatchObject({
      kind: 'deadline-exceeded',
    });
    const cancel = new AbortController();
    const cancelled = exec({
      ...sh('echo started; sleep 60'),
      signal: cancel.signal,
      onOutput: () => cancel.abort('no'),
    });
    await expect(cancelled).rejects.toBe('no');
  });
});
