import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** What a program has written. Throws with its errors when it fails, or gives no answer in five minutes. */
export const run = async (program: string, args: readonly string[], input = ''): Promise<string> =>
  (await execa(program, args, { input, timeout: 300_000 })).stdout;

export const kubectl = (...args: readonly string[]): Promise<string> => run('kubectl', args);

export const helm = (...args: readonly string[]): Promise<string> => run('helm', args);

/** An object, or a list, as JSON. */
export const read = async <Value>(...args: readonly string[]): Promise<Value> =>
  JSON.parse(await kubectl('get', ...args, '--output=json'));

export const list = async <Value>(...args: readonly string[]): Promise<readonly Value[]> =>
  (await read<{ readonly items: readonly Value[] }>(...args)).items;

export const apply = async (objects: readonly object[]): Promise<void> => {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await run('kubectl', ['apply', '--filename=-'], text);
};

/** Tries until it does not throw and does not answer false; then answers what it answered. */
export const eventually = async <Value>(
  what: string,
  attempt: () => Promise<Value>,
  seconds = 90,
): Promise<Exclude<Value, false>> => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const outcome = await attempt().catch((thrown: unknown) => (thrown instanceof Error ? thrown : String(thrown)));
    if (outcome !== false && !(outcome instanceof Error)) return outcome as Exclude<Value, false>;
    if (Date.now() > end) throw new Error(`${what}: waited ${seconds} s in vain`, { cause: outcome });
    await sleep(200);
  }
};
