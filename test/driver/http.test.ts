import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeHome, startDriver, type TestDriver } from '../support/driver.ts';

/** Whoever reaches the port may send anything. */
describe('the HTTP port', () => {
  let driver: TestDriver;
  beforeAll(async () => {
    driver = await startDriver();
  });
  afterAll(async () => {
    await driver.stop();
    await removeHome(driver.home);
  });

  /** Sends bytes, and no more when `ends`; returns what comes back until the connection ends. */
  const send = (bytes: Buffer | string, { ends = true } = {}): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(driver.httpPort, '127.0.0.1');
    let received = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text;
    });
    // A server that refuses a request does not read the rest of it.
    socket.on('error', () => {}).once('close', () => resolve(received));
    socket.write(bytes);
    if (ends) socket.end();
    return promise;
  };
  const statusOf = async (start: string): Promise<number> => {
    const request = `${start} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
    return Number(/^HTTP\/1\.1 (\d+)/.exec(await send(request, { ends: false }))?.[1]);
  };
  const fetchStatus = async (path: string) => (await fetch(`http://127.0.0.1:${driver.httpPort}${path}`)).status;
  const expectUnharmed = async (): Promise<void> => {
    expect(await fetchStatus('/healthz')).toBe(200);
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);
    expect(driver.output()).not.toContain('unexpected error');
  };

  it.each([
    ['GET /healthz', 200],
    ['GET /readyz?verbose', 200],
    ['HEAD /metrics', 200],
    ['GET /', 404],
    ['GET /metrics/', 404],
    ['GET /%zz', 404],
    ['GET /__proto__', 404],
    ['GET /constructor', 404],
    ['GET //', 400],
    ['GET ///', 400],
    ['GET /\\', 400],
    ['GET //metrics', 400],
    ['GET http://[', 400],
    ['GET http://x/metrics', 400],
    ['GET *', 400],
    ['OPTIONS *', 400],
    ['POST /metrics', 405],
    ['DELETE /healthz', 405],
    ['NONSENSE /healthz', 400],
  ])('returns for %s the status %d', async (start, status) => {
    expect(await statusOf(start)).toBe(status);
    await expectUnharmed();
  });

  it('refuses a request that is too long', async () => {
    expect(await statusOf(`GET /${'a'.repeat(100_000)}`)).toBe(431);
    await expectUnharmed();
  });

  it.each([
    ['nothing', ''],
    ['half a request', 'GET /met'],
    ['a connection for somebody else', 'CONNECT nas:2049 HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['another protocol', 'GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'],
    ['a body without an end', 'POST /metrics HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n'],
    ['requests in a row', 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(500)],
    ['a TLS handshake', Buffer.from('16030100a5010000a10303', 'hex')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('outlives %s', async (_, bytes) => {
    await send(bytes);
    await expectUnharmed();
  });

  it('outlives whatever is sent', async () => {
    const token = fc.string({ unit: 'binary', maxLength: 20 });
    const line = fc.tuple(fc.constantFrom('GET', 'HEAD', 'POST', 'CONNECT', ''), fc.string({ unit: 'binary' }));
    const request = fc.record({
      line,
      headers: fc.array(fc.tuple(token, token), { maxLength: 5 }),
      body: fc.uint8Array(),
    });
    const seeds = ['/', '//', '/\\', 'http://[', '/metrics?', '/%', '/healthz#'];
    await fc.assert(
      fc.asyncProperty(request, fc.constantFrom(...seeds), async ({ line: [method, rest], headers, body }, seed) => {
        const head = [
          `${method} ${seed}${rest} HTTP/1.1`,
          'host: x',
          ...headers.map(([name, value]) => `${name}: ${value}`),
        ];
        await send(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]));
        expect(await fetchStatus('/healthz')).toBe(200);
      }),
      { numRuns: 300 },
    );
    await expectUnharmed();
  });

  it('returns the metrics to many who ask at once', async () => {
    const statuses = await Promise.all(Array.from({ length: 200 }, () => fetchStatus('/metrics')));
    expect(new Set(statuses)).toEqual(new Set([200]));
    await expectUnharmed();
  });
});
