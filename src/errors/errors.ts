import { ERRNOS, errnoIn, errnoOf, ignoreMissing } from './errno.ts';
import type { ErrorKind } from './error-kind.ts';

export { errnoOf, ignoreMissing };

/** The only error that leaves a room. Its message is shown to users; its cause is for the log. */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }

  /**
   * Keeps a DriverError as it is. The failure of a system call or of a tool gets the kind of its errno and says what it
   * is about; anything else is internal.
   */
  static from(thrown: unknown): DriverError {
    if (thrown instanceof DriverError) return thrown;
    const output = outputOf(thrown);
    const code = output === undefined ? errnoOf(thrown) : errnoIn(output);
    const known = code === undefined ? undefined : ERRNOS[code];
    const subject = output === undefined ? subjectOf(thrown) : firstLine(output);
    if (known === undefined)
      return new DriverError('internal', `internal error${about([code, subject])}`, { cause: thrown });
    if (known.message.includes('{disk}') && isOutside(thrown))
      return new DriverError(known.kind, known.message.replace('{disk}', `the disk of ${subject}`), { cause: thrown });
    return new DriverError(known.kind, `${known.message.replace('{disk}', 'the pool')}${about([subject])}`, {
      cause: thrown,
    });
  }
}

/** What a tool that failed has written to standard error. */
const outputOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'stderr' in thrown && typeof thrown.stderr === 'string' ? thrown.stderr : undefined;

const firstLine = (output: string): string => output.trim().split('\n', 1)[0]?.slice(0, 300) ?? '';

/** The path of a system error: below an open directory of the pool without that, anywhere else in full. */
const subjectOf = (thrown: unknown): string | undefined => {
  const path = pathOf(thrown)?.replace(OPEN_DIRECTORY, '');
  return path === undefined || path === '' ? undefined : quote(path);
};

/** True for a path that is not below an open directory, as those of a pool are: one below the kubelet's directory. */
const isOutside = (thrown: unknown): boolean => {
  const path = pathOf(thrown);
  return path !== undefined && !OPEN_DIRECTORY.test(path);
};

const OPEN_DIRECTORY = /^\/proc\/(?:self|\d+)\/fd\/\d+\/?/;

const pathOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'path' in thrown && typeof thrown.path === 'string' ? thrown.path : undefined;

const about = (parts: readonly (string | undefined)[]): string =>
  parts.map((part) => (part === undefined || part === '' ? '' : `: ${part}`)).join('');

/** True when one of these errnos is behind an error, here or in a worker. */
export const isCausedBy = (thrown: unknown, ...codes: readonly string[]): boolean => {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return [errnoOf(thrown), errnoOf(cause), cause].some((code) => typeof code === 'string' && codes.includes(code));
};

/** A field of a request that is not what it should be. `got` is quoted only where it cannot be a secret. */
export const invalid = (field: string, expected: string, got?: string): DriverError =>
  new DriverError(
    'invalid-argument',
    `${field}: expected ${expected}${got === undefined ? '' : `, got ${quote(got)}`}`,
  );

/** Text from outside, made safe for a message: control characters escaped, cut at 80 characters. */
export const quote = (text: string): string => {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  // JSON leaves DEL, the C1 controls and what turns the direction of text as they are.
  return JSON.stringify(shown).replace(
    /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
};
