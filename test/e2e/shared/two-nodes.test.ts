import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseQuantity } from '../../../src/domain/capacity.ts';
import { eventually, kubectl, list, read } from '../support/cluster.ts';
import { LOCAL_CLASS } from '../support/installed.ts';
import { NFS_NODE } from '../support/shared.ts';
import { fromSnapshot, takeSnapshot } from '../support/snapshots.ts';
import { openSpace, type Space } from '../support/space.ts';

const KEY = 'topology.local.csi-subdir.dev/node';

const GIB = 2 ** 30;

const on = (node: string) => ({ nodeSelector: { 'kubernetes.io/hostname': node } });

interface Capacity {
  readonly storageClassName: string;
  readonly capacity: string;
  readonly nodeTopology: { readonly matchLabels: Readonly<Record<string, string>> };
}

describe('the local driver on two nodes', () => {
  let space: Space;
  beforeAll(async () => {
    space = await openSpace('e2e-two-nodes');
  });
  afterAll(() => space.close());

  const capacities = async (): Promise<readonly Capacity[]> =>
    (await list<Capacity>('csistoragecapacities', '--all-namespaces')).filter(
      ({ storageClassName }) => storageClassName === LOCAL_CLASS,
    );
  /** Bytes that the scheduler believes to be free on a node. */
  const roomOf = async (node: string): Promise<number> => {
    const [capacity] = (await capacities()).filter(({ nodeTopology }) => nodeTopology.matchLabels[KEY] === node);
    return parseQuantity(capacity?.capacity ?? '') ?? 0;
  };
  const nodeOf = async (name: string): Promise<string> =>
    (await read<{ readonly spec: { readonly nodeName: string } }>('pod', name, '-n', space.namespace)).spec.nodeName;

  it('publishes how much room each of them has', async () => {
    // What a pod of the driver has published that was replaced goes a little after it.
    await eventually('one of each node', async () => {
      const nodes = (await capacities()).map(({ nodeTopology }) => nodeTopology.matchLabels[KEY]);
      return nodes.sort().join() === `${NFS_NODE},node1`;
    });
  });

  it.each(['node1', NFS_NODE])('makes a volume where its pod is, on %s, and later pods follow it', async (node) => {
    await space.claim(node, { storageClass: LOCAL_CLASS });
    await space.pod(`${node}-first`, {
      claim: node,
      script: 'hostname >/data/word',
      spec: on(node),
    });
    await space.remove(`pod/${node}-first`);
    await space.pod(`${node}-second`, { claim: node });
    expect(await nodeOf(`${node}-second`)).toBe(node);
    expect(await space.sh(`${node}-second`, 'cat /data/word')).toBe(`${node}-first`);
  });

  it.each(['node1', NFS_NODE])('grows a volume on %s, wherever the resizer is', async (node) => {
    const patch = { spec: { resources: { requests: { storage: '2Gi' } } } };
    await kubectl('patch', '-n', space.namespace, `pvc/${node}`, '--patch', JSON.stringify(patch));
    const grown = '--for=jsonpath={.status.capacity.storage}=2Gi';
    await kubectl('wait', '-n', space.namespace, `pvc/${node}`, grown, '--timeout=110s');
  });

  it.each(['node1', NFS_NODE])('takes a snapshot on %s, and restores it there', async (node) => {
    const restored = `${node}-restored`;
    await takeSnapshot(space, node, node, LOCAL_CLASS);
    await space.sh(`${node}-second`, 'echo changed >/data/word');
    await space.claim(restored, { storageClass: LOCAL_CLASS, size: '2Gi', spec: fromSnapshot(node) });
    await space.pod(restored, { claim: restored, spec: on(node) });
    expect(await space.sh(restored, 'cat /data/word')).toBe(`${node}-first`);
    await space.remove(`volumesnapshot/${node}`);
  });

  it('makes a volume where there is room for it', async () => {
    const size = `${Math.floor(((await roomOf(NFS_NODE)) + (await roomOf('node1'))) / 2 / GIB)}Gi`;
    const names = ['large-1', 'large-2', 'large-3'];
    for (const name of names) await space.claim(name, { storageClass: LOCAL_CLASS, size });
    for (const name of names) await space.pod(name, { claim: name });
    expect(await Promise.all(names.map(nodeOf))).toEqual(['node1', 'node1', 'node1']);
  });

  it('leaves no warning', async () => {
    expect(await space.warnings()).toEqual([]);
  });
});
