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
  /** What the caller has looked at was changed in the meantime: it may look again. */
  | 'conflict'
  | 'deadline-exceeded'
  | 'unavailable'
  | 'unreachable'
  | 'internal';
