import { createServer, type ServerResponse } from 'node:http';

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

/** /healthz (this process turns), /readyz (it can serve volumes) and /metrics. The first two never wait for storage. */
export const serveHttp = async ({ address, render, contentType, notReady }: HttpOptions): Promise<RunningHttp> => {
  const routes: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    '/healthz': async (response) => send(response, 200, 'ok\n'),
    '/readyz': async (response) => {
      const reasons = notReady();
      send(response, reasons.length === 0 ? 200 : 503, reasons.length === 0 ? 'ok\n' : `${reasons.join('\n')}\n`);
    },
    '/metrics': async (response) => send(response, 200, await render(), contentType),
  };
  const server = createServer((request, response) => {
    const route = routes[new URL(request.url ?? '/', 'http://localhost').pathname];
    if (route === undefined || request.method !== 'GET') return send(response, 404, 'not found\n');
    route(response).catch(() => send(response, 500, 'failed\n'));
  });
  const { host, port } = split(address);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

const send = (response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
  response.writeHead(status, { 'content-type': type }).end(body);
};

const split = (address: string): { readonly host: string | undefined; readonly port: number } => {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' ? undefined : host, port: Number(address.slice(colon + 1)) };
};
