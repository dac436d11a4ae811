import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { createFuse } from './fuse.ts';

/**
 * Runs `volumes enforce --write` again and again with an entry that dies at its first step, or at a later one where
 * that is known, until it comes to its end. `only` names the steps that count. Returns the names of the steps, and what the last run has printed.
 */
export const enforceAtEveryStep = async (entry: string, config: string, only?: readonly string[]) => {
  const fuse = createFuse();
  for (;;) {
    const counted = only === undefined ? {} : { CRASH_ONLY: only.join('|') };
    const env = { ...process.env, CRASH_AT: fuse.at(), ...counted };
    const child = spawn(process.execPath, [entry, 'volumes', 'enforce', '--write', '--config', config], { env });
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [code, signal] = await ended;
    if (signal !== 'SIGKILL') return { steps: fuse.steps(), code, stdout, stderr };
    fuse.diedAt(/crash at: (.*)/.exec(stderr)?.[1] ?? 'none');
  }
};
