import { type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import type { ServiceName } from './definitions.ts';
import type { createUnary, Method, Methods } from './unary.ts';

export interface Service {
  readonly name: ServiceName;
  readonly definition: ServiceDefinition;
  readonly methods: Methods<object>;
}

export interface RunningServer {
  /** Refuses new connections, waits `ms` for running calls, then leaves them. Removes the socket. */
  readonly stop: (ms: number) => Promise<void>;
}

/** Serves the services on a Unix socket that only our own user may open. */
export const serveSocket = async (
  path: string,
  services: readonly Service[],
  unary: ReturnType<typeof createUnary>,
): Promise<RunningServer> => {
  const server = new Server();
  for (const service of services) server.addService(service.definition, implement(service, unary));
  await bind(server, path);
  return { stop: (ms) => stop(server, ms) };
};

const implement = (
  { name, definition, methods }: Service,
  unary: ReturnType<typeof createUnary>,
): Record<string, handleUnaryCall<unknown, unknown>> =>
  Object.fromEntries(
    Object.entries(methods as Record<string, Method<unknown, unknown>>)
      .filter(([method]) => method in definition)
      .map(([method, act]) => [method, unary(`/${name}/${method}`, act)]),
  );

const bind = async (server: Server, path: string): Promise<void> => {
  // The socket is born with mode 0600: a chmod afterwards would come too late for somebody quick.
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      const bound = (error: Error | null): void => (error === null ? resolve() : reject(error));
      server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), bound);
    });
  } finally {
    process.umask(before);
  }
};

const stop = (server: Server, ms: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, ms);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
