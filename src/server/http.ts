import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface HttpOptions {
  /** `HOST:PORT`; no host means every address. */
  readonly address: string;
  /** The metrics as Prometheus reads them. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
  /** Why the driver is not ready; empty when it is. */
  readonly notReady: () => readonly string[];
}

export interface RunningHttp {
  readonly port: number;
  readonly stop: () => void;
}

/**
 * Serves /healthz (this process turns), /readyz (it can serve volumes) and /metrics. The first two never wait for
 * storage. Anybody may send anything: a request that is not for one of these is refused, and what it costs is bounded.
 */
export const serveHttp = async ({ address, render, contentType, notReady }: HttpOptions): Promise<RunningHttp> => {
  const routes: ReadonlyMap<string, Route> = new Map([
    ['/healthz', async () => ({ status: 200, body: 'ok\n' })],
    [
      '/readyz',
      async () => {
        const reasons = notReady();
        return reasons.length === 0 ? { status: 200, body: 'ok\n' } : { status: 503, body: `${reasons.join('\n')}\n` };
      },
    ],
    ['/metrics', async () => ({ status: 200, body: await render(), type: contentType })],
  ]);
  const server = createServer(LIMITS, (request, response) => {
    respond(routes, request).then(
      (reply) => send(response, reply),
      () => send(response, { status: 500, body: 'failed\n' }),
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { host, port } = split(address);
  await listen(server, host, port);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

/** A probe or a scrape is far below. Bytes and milliseconds. */
const LIMITS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
};
const MAX_CONNECTIONS = 256;

type Route = () => Promise<Reply>;

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
  readonly allow?: string;
}

const respond = async (
  routes: ReadonlyMap<string, Route>,
  { url = '', method }: Pick<IncomingMessage, 'url' | 'method'>,
): Promise<Reply> => {
  // Not a URL yet: who parses it as one throws for what others may send.
  if (!/^\/(?![/\\])/.test(url)) return { status: 400, body: 'bad request\n' };
  const [path = ''] = url.split('?', 1);
  const route = routes.get(path);
  if (route === undefined) return { status: 404, body: 'not found\n' };
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'method not allowed\n', allow: 'GET, HEAD' };
  return route();
};

const send = (response: ServerResponse, { status, body, type = 'text/plain; charset=utf-8', allow }: Reply): void => {
  response.writeHead(status, { 'content-type': type, ...(allow === undefined ? {} : { allow }) }).end(body);
};

const listen = (server: Server, host: string | undefined, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });

const split = (address: string): { readonly host: string | undefined; readonly port: number } => {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' ? undefined : host, port: Number(address.slice(colon + 1)) };
};
