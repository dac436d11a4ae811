/**
 * What went wrong, in the words of the rules, not of any protocol. `rpc/status.ts` holds the one table that maps a
 * kind to a gRPC status; which of them the sidecars take as final is in docs/explanation/errors.md. `unreachable` is
 * storage that cannot be talked to; where it answers, and says no, it is `unavailable`.
 */
export type ErrorKind =
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  | 'out-of-range'
  | 'failed-precondition'
  | 'no-space'
  | 'aborted'
  | 'deadline-exceeded'
  | 'unavailable'
  | 'unreachable'
  | 'internal';

/** The only error that leaves a room. Its message is shown to users; its cause is for the log. */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }

  /** Keeps a DriverError as it is; gives a system error the kind of its errno; anything else is internal. */
  static from(thrown: unknown): DriverError {
    if (thrown instanceof DriverError) return thrown;
    const code = errnoOf(thrown);
    const known = code === undefined ? undefined : systemErrors[code];
    if (known === undefined) return new DriverError('internal', 'internal error', { cause: thrown });
    return new DriverError(known.kind, known.message, { cause: thrown });
  }
}

/** The errno name (`ENOENT`) of a system error, or undefined. */
export const errnoOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? (NAMELESS[thrown.code] ?? thrown.code)
    : undefined;

/** Errors of Linux that libuv has no name for. */
const NAMELESS: Readonly<Record<string, string>> = {
  'Unknown system error -116': 'ESTALE',
  'Unknown system error -122': 'EDQUOT',
};

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

const systemErrors: Readonly<Record<string, { readonly kind: ErrorKind; readonly message: string }>> = {
  ENOSPC: { kind: 'no-space', message: 'no space left on the pool' },
  EDQUOT: { kind: 'no-space', message: 'the quota of the pool is used up' },
  EROFS: { kind: 'failed-precondition', message: 'the file system is read-only' },
  EACCES: { kind: 'failed-precondition', message: 'permission denied by the file system' },
  EPERM: { kind: 'failed-precondition', message: 'operation not permitted by the file system' },
  ELOOP: { kind: 'failed-precondition', message: 'something on the way is a link' },
  ENOTDIR: { kind: 'failed-precondition', message: 'something on the way is not a directory' },
  ENAMETOOLONG: { kind: 'invalid-argument', message: 'a path is too long for the file system' },
  EBUSY: { kind: 'aborted', message: 'something is mounted there' },
  ESTALE: { kind: 'unavailable', message: 'the file handle is stale' },
  EIO: { kind: 'unreachable', message: 'the file system reports an input/output error' },
  ENOTCONN: { kind: 'unreachable', message: 'the file system is not connected' },
  ETIMEDOUT: { kind: 'unreachable', message: 'the server does not answer' },
  ECONNREFUSED: { kind: 'unreachable', message: 'the server refuses connections' },
  EHOSTUNREACH: { kind: 'unreachable', message: 'there is no way to the server' },
  ENETUNREACH: { kind: 'unreachable', message: 'there is no way to the server' },
  EMFILE: { kind: 'unavailable', message: 'too many open files' },
  ENFILE: { kind: 'unavailable', message: 'too many open files' },
};
