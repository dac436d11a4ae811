import { randomUUID } from 'node:crypto';
import { type handleUnaryCall, type ServerUnaryCall, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { DriverError } from '../errors/errors.ts';
import type { Log } from '../system/log.ts';
import { codeName, toStatus } from './status.ts';

/** A call as a method sees it: `signal` ends when nobody waits for the answer any more. */
export interface RpcCall {
  readonly signal: AbortSignal;
}

export type Method<Request, Response> = (request: Request, call: RpcCall) => Response | Promise<Response>;

/** The methods of a service, by its generated definition; what is left out answers UNIMPLEMENTED. */
export type Methods<Definition> = {
  readonly [Name in keyof Definition as string extends Name ? never : Name]?: Definition[Name] extends MethodDefinition<
    infer _RequestIn,
    infer Response,
    infer Request,
    infer _ResponseOut
  >
    ? Method<Request, Response>
    : never;
};

export interface UnaryOptions {
  readonly log: Log;
  /** Milliseconds a caller waits at most, whatever deadline it has set. */
  readonly boundMs: (path: string) => number;
  readonly observe: (method: string, code: string, seconds: number) => void;
  /** Aborted when the process stops: running calls go on, new ones are refused. */
  readonly stopping: AbortSignal;
}

/** Makes a method into a handler that answers exactly once, in time, and cannot crash the process. */
export const createUnary =
  ({ log, boundMs, observe, stopping }: UnaryOptions) =>
  <Request, Response>(path: string, method: Method<Request, Response>): handleUnaryCall<Request, Response> =>
  (call, callback) => {
    const started = performance.now();
    const requestId = randomUUID();
    const end = (code: status, facts: object): void => {
      const ms = performance.now() - started;
      observe(path, codeName(code), ms / 1000);
      log[levelOf(path, code)](
        { method: path, requestId, code: codeName(code), ms: Math.round(ms * 10) / 10, ...facts },
        'call answered',
      );
    };
    const logLate = (thrown?: unknown): void =>
      log.warn({ method: path, requestId, err: thrown }, 'work has ended after its caller had gone');
    const answer = async (): Promise<Response> => {
      if (stopping.aborted) throw new DriverError('unavailable', 'the driver is stopping');
      return within(call, boundMs(path), (signal) => method(call.request, { signal }), logLate);
    };
    answer().then(
      (response) => {
        end(status.OK, subjectOf(call.request));
        callback(null, response);
      },
      (thrown: unknown) => {
        const error = DriverError.from(thrown);
        const answered = toStatus(error, requestId);
        end(answered.code, { ...subjectOf(call.request), reason: error.message, err: error.cause });
        callback(answered);
      },
    );
  };

/** Races the work against the caller's patience. Work that loses goes on; the same call again meets it at its lock. */
const within = async <Request, Response>(
  call: ServerUnaryCall<Request, Response>,
  boundMs: number,
  work: (signal: AbortSignal) => Response | Promise<Response>,
  late: (thrown?: unknown) => void,
): Promise<Response> => {
  const patience = new AbortController();
  const given = Promise.withResolvers<never>();
  const giveUp = (error: DriverError): void => {
    patience.abort(error);
    given.reject(error);
  };
  const ms = Math.max(0, Math.min(boundMs, Number(call.getDeadline()) - Date.now()));
  const timer = setTimeout(
    () => giveUp(new DriverError('deadline-exceeded', `no answer within ${Math.round(ms)} ms`)),
    ms,
  );
  const cancel = (): void => giveUp(new DriverError('deadline-exceeded', 'the caller has gone'));
  call.once('cancelled', cancel);
  const start = async (): Promise<Response> => work(patience.signal);
  const working = start();
  try {
    return await Promise.race([working, given.promise]);
  } finally {
    clearTimeout(timer);
    call.off('cancelled', cancel);
    if (patience.signal.aborted) working.then(() => late(), late);
  }
};

const SUBJECTS = {
  name: 'name',
  volume_id: 'volumeId',
  source_volume_id: 'volumeId',
  snapshot_id: 'snapshotId',
  group_snapshot_id: 'groupId',
} as const;

/** What a call is about, for the log. Nothing else of a request is ever logged: it may be a secret. */
const subjectOf = (request: unknown): object => {
  if (typeof request !== 'object' || request === null) return {};
  const fields = request as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(SUBJECTS).flatMap(([field, name]) =>
      typeof fields[field] === 'string' ? [[name, fields[field]]] : [],
    ),
  );
};

const levelOf = (path: string, code: status): 'trace' | 'debug' | 'info' | 'warn' | 'error' => {
  if (code === status.INTERNAL) return 'error';
  if (code !== status.OK) return 'warn';
  if (/Probe$|GetCapabilities$|GetPlugin|GetInfo$/.test(path)) return 'trace';
  return /(?:Create|Delete|Expand|Modify|Stage|Unstage|Publish|Unpublish)[A-Za-z]*$/.test(path) ? 'info' : 'debug';
};
