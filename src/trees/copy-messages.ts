import { errnoIn } from '../errors/errno.ts';
import { DriverError } from '../errors/errors.ts';

/** What cp writes to standard error, judged line by line as it arrives. */
export interface CopyMessages {
  readonly read: (text: string) => void;
  /** Aborted at the first fault, with a DriverError: there is no point in copying the rest. */
  readonly fault: AbortSignal;
  /** True when there were messages, and each was about something that somebody has changed during the copy. */
  readonly areHarmless: () => boolean;
  /** True when something has another object in its place now: another pass would find it. */
  readonly haveReplaced: () => boolean;
}

export const readMessages = (): CopyMessages => {
  const fault = new AbortController();
  const seen = new Set<Kind>();
  let rest = '';

  const judge = (line: string): void => {
    const [, message] = CP.exec(line) ?? [];
    const kind = message === undefined ? 'other' : kindOf(message);
    seen.add(kind);
    if (message !== undefined && kind === 'other') fault.abort(faultOf(message));
  };

  return {
    read: (text) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(judge);
    },
    fault: fault.signal,
    areHarmless: () => rest === '' && seen.size > 0 && !seen.has('other'),
    haveReplaced: () => seen.has('replaced'),
  };
};

type Kind = 'gone' | 'replaced' | 'other';

/** Coreutils 9.1 puts its path before a message, 9.7 its name. */
const CP = /^(?:\/bin\/)?cp: (.*)$/;

/** Names are quoted by cp so that none of them can be a line of its own or reach its end. */
const GONE =
  /^(?:[a-z ]*|getting attribute '.*' of )['"]\/source\/.*: (?:No such file or directory|No data available)$/;
/** A file is another one, or a file, a directory or a link is none any more. */
const REPLACED =
  /^(?:skipping file .*, as it was replaced while being copied|[a-z ]*['"]\/source\/.*: (?:Not a directory|Too many levels of symbolic links|No such device or address)|cannot read symbolic link ['"]\/source\/.*: Invalid argument|getting attribute '.*' of ['"]\/source\/.*: Numerical result out of range)$/;

const kindOf = (message: string): Kind => {
  if (GONE.test(message)) return 'gone';
  return REPLACED.test(message) ? 'replaced' : 'other';
};

/** A reason of the moment as the system error that it is; any other is about one path, and remains. */
const faultOf = (message: string): DriverError => {
  const code = errnoIn(message);
  const cause = Object.assign(new Error(message), { code });
  if (code !== undefined && PASSING.includes(code)) return DriverError.from(cause);
  if (code === 'ENOENT') return new DriverError('aborted', 'the copy was discarded while it was made', { cause });
  if (message.endsWith('memory exhausted'))
    return new DriverError('unavailable', 'the copy ran out of memory', { cause });
  return new DriverError('failed-precondition', `cannot be copied: ${shorten(message)}`, { cause });
};

/** With paths as the volume has them; the reason at the end stays. */
const shorten = (message: string): string => {
  const plain = message.replaceAll(/(?<=['"])\/(?:source|target)\/(?:\.\/)?/g, '');
  return plain.length > 400 ? `${plain.slice(0, 300)}…${plain.slice(-80)}` : plain;
};

const PASSING: readonly string[] = [
  ...['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EREMOTEIO', 'ESTALE', 'ENOTCONN', 'ETIMEDOUT'],
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EBUSY'],
];
