import { DriverError } from '../domain/errors.ts';
import { CommandError, type Exec } from './exec.ts';
import { gently } from './gentle.ts';
import { inSandbox, type SandboxView } from './sandbox.ts';

/**
 * Copies all that is in one open directory into another, which is empty, and gives that one the owner, the mode and
 * the times of the first: with links, hard links, holes, special files and extended attributes, by reflinks where the
 * file system has them. The source may be in use. Throws no-space, unreachable, aborted, or what `signal` says.
 */
export const copyTree = async (exec: Exec, view: SandboxView, signal: AbortSignal): Promise<void> => {
  for (let pass = 1; pass <= MAX_PASSES; pass += 1) {
    const args = ['/bin/cp', ...ARGS, ...(pass === 1 ? [] : LATER), '--', '/source/.', '/target'];
    const missed = await exec({ ...gently(await inSandbox(view, args)), signal }).then(() => 'nothing' as const, judge);
    if (missed === 'nothing') return;
    // What is only gone was removed while it was read: so it would be after another pass.
    if (pass === MAX_PASSES && missed === 'replaced')
      throw new DriverError('aborted', 'the volume is changing too fast');
  }
};

const ARGS = ['--archive', '--reflink=auto', '--sparse=auto'];
/** Another pass takes what is not there yet or newer, never through a link to what the first has made. */
const LATER = ['--update', '--remove-destination'];
const MAX_PASSES = 3;

/** What a pass has missed because somebody works in the source. Throws for any other reason. */
const judge = (thrown: unknown): 'gone' | 'replaced' => {
  if (!(thrown instanceof CommandError)) throw thrown;
  const lines = thrown.stderr.split('\n').filter((line) => line !== '');
  const fault = lines.find((line) => !GONE.test(line) && !REPLACED.test(line));
  if (fault !== undefined || lines.length === 0) throw faultOf(fault ?? '', thrown);
  return lines.some((line) => REPLACED.test(line)) ? 'replaced' : 'gone';
};

/** Names are quoted by cp so that none of them can be a line of its own or reach its end. */
const GONE = /^\/bin\/cp: [a-z ]*['"]\/source\/.*: No such file or directory$/;
/** A file is another one; a file, a directory or a link is none any more, here or since the pass before. */
const REPLACED =
  /^\/bin\/cp: (?:skipping file .*, as it was replaced while being copied|[a-z ]*['"]\/source\/.*: (?:Not a directory|Too many levels of symbolic links)|cannot read symbolic link ['"]\/source\/.*: Invalid argument|cannot overwrite (?:non-)?directory .* with (?:non-)?directory.*)$/;

/** A fault as the system error that cp has met. */
const faultOf = (line: string, thrown: CommandError): Error => {
  const [, code] = FAULTS.find(([text]) => line.endsWith(text)) ?? [];
  if (code === undefined) return new DriverError('internal', 'the copy has failed', { cause: thrown });
  return DriverError.from(Object.assign(new Error(line, { cause: thrown }), { code }));
};

const FAULTS: readonly (readonly [text: string, code: string])[] = [
  [': No space left on device', 'ENOSPC'],
  [': Disk quota exceeded', 'EDQUOT'],
  [': Read-only file system', 'EROFS'],
  [': Permission denied', 'EACCES'],
  [': Operation not permitted', 'EPERM'],
  [': Input/output error', 'EIO'],
  [': Stale file handle', 'ESTALE'],
  [': Transport endpoint is not connected', 'ENOTCONN'],
  [': Connection timed out', 'ETIMEDOUT'],
];
