import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/**
 * Runs `volumes enforce --write` with an entry that dies at its first step, then at its second, and so on, until it
 * comes to its end. Answers the steps, and what the last run has printed.
 */
export const enforceAtEveryStep = async (entry: string, config: string) => {
  const steps: string[] = [];
  for (;;) {
    const env = { ...process.env, CRASH_AT: String(steps.length + 1) };
    const child = spawn(process.execPath, [entry, 'volumes', 'enforce', '--write', '--config', config], { env });
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [code, signal] = await ended;
    if (signal !== 'SIGKILL') return { steps, code, stdout, stderr };
    steps.push(/crash at: (.*)/.exec(stderr)?.[1] ?? 'none');
  }
};
