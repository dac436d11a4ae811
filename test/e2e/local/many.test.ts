import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quantiles } from '../../../bench/tally.ts';
import { eventually, kubectl, read } from '../support/cluster.ts';
import { LOCAL_CLASS, NAMESPACE } from '../support/installed.ts';
import { memoryOf } from '../support/node.ts';
import { claim, pod } from '../support/objects.ts';
import { openSpace, type Space } from '../support/space.ts';
import { type Watch, watchFor } from '../support/watch.ts';

const COUNT = 50;
const ONE_BY_ONE = 20;

describe('many volumes', () => {
  let space: Space;
  let bound: Watch;
  let running: Watch;
  const figures: string[] = [];

  beforeAll(async () => {
    space = await openSpace('e2e-many');
    bound = watchFor(space.namespace, 'pvc', '.status.phase', 'Bound');
    running = watchFor(space.namespace, 'pods', '.status.phase', 'Running');
    await note('idle');
  });
  afterAll(async () => {
    bound.stop();
    running.stop();
    await space.close();
    process.stdout.write(`\n${figures.join('\n')}\n\n`);
  });

  const nodeName = async (): Promise<string> =>
    (await read<{ readonly items: readonly { readonly metadata: { readonly name: string } }[] }>('nodes')).items[0]
      ?.metadata.name ?? '';

  const note = async (when: string): Promise<void> => {
    const memory = Object.entries(await memoryOf(await nodeName(), NAMESPACE));
    const text = memory.map(([name, bytes]) => `${name} ${(bytes / 2 ** 20).toFixed(0)} MiB`).join(', ');
    figures.push(`working set, ${when}: ${text}`);
  };

  /** Makes claims with their pods, waits for them, and answers the milliseconds to each end. */
  const time = async (names: readonly string[]): Promise<{ readonly bound: number[]; readonly running: number[] }> => {
    const start = performance.now();
    await space.apply(
      ...names.flatMap((name) => [claim(name, { storageClass: LOCAL_CLASS }), pod(name, { claim: name })]),
    );
    await eventually(`${names.length} pods run`, async () => names.every((name) => running.seen.has(name)), 180);
    const since = ({ seen }: Watch): number[] => names.map((name) => (seen.get(name) ?? Number.NaN) - start);
    return { bound: since(bound), running: since(running) };
  };

  const report = (what: string, times: { readonly bound: number[]; readonly running: number[] }): void => {
    const p50 = (ms: readonly number[]): string => `${(quantiles(ms).p50 / 1000).toFixed(1)} s`;
    figures.push(`${what}: PVC to Bound ${p50(times.bound)}, pod to Running ${p50(times.running)} (p50)`);
  };

  it('come one after the other', async () => {
    const all = { bound: [] as number[], running: [] as number[] };
    for (let turn = 0; turn < ONE_BY_ONE; turn += 1) {
      const times = await time([`one-${turn}`]);
      all.bound.push(...times.bound);
      all.running.push(...times.running);
      await space.remove(`pod/one-${turn}`, `pvc/one-${turn}`);
    }
    report(`${ONE_BY_ONE}, one at a time`, all);
  });

  it('come all at once, and go', async () => {
    const names = Array.from({ length: COUNT }, (_, index) => `all-${index}`);
    report(`${COUNT} at once`, await time(names));
    await note(`with ${COUNT} volumes`);
    await kubectl('delete', 'pods,pvc', '--all', '-n', space.namespace, '--timeout=110s');
    await eventually('all volumes gone', async () => (await kubectl('get', 'pv', '--output=name')) === '');
    await note('after the run');
  });

  it('leave no warning', async () => {
    expect(await space.warnings()).toEqual([]);
  });
});
