import { status } from '@grpc/grpc-js';
import type { ErrorKind } from '../errors/error-kind.ts';
import type { DriverError } from '../errors/errors.ts';

/**
 * The one table. external-provisioner takes every code but CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, ABORTED (and
 * RESOURCE_EXHAUSTED where it may choose another node) as final: what may still be running must not get any other.
 */
const CODES: Readonly<Record<ErrorKind, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'out-of-range': status.OUT_OF_RANGE,
  'failed-precondition': status.FAILED_PRECONDITION,
  'no-space': status.RESOURCE_EXHAUSTED,
  aborted: status.ABORTED,
  conflict: status.ABORTED,
  'deadline-exceeded': status.DEADLINE_EXCEEDED,
  unavailable: status.UNAVAILABLE,
  unreachable: status.UNAVAILABLE,
  internal: status.INTERNAL,
};

export interface Status {
  readonly code: status;
  readonly details: string;
}

/** What the caller is told. An internal error names its request only: what it means is in the log. */
export const toStatus = (error: DriverError, requestId: string): Status => ({
  code: CODES[error.kind],
  details: error.kind === 'internal' ? `${error.message} (request ${requestId}, see the driver's log)` : error.message,
});

/** The name of a code as the CSI sidecars write it in their metrics: `OK`, `InvalidArgument`. */
export const codeName = (code: status): string =>
  code === status.OK
    ? 'OK'
    : (status[code] ?? 'UNKNOWN').toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
