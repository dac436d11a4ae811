import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, list, read } from '../support/cluster.ts';
import { LOCAL_CLASS } from '../support/installed.ts';
import { NFS_NODE } from '../support/shared.ts';
import { openSpace, type Space } from '../support/space.ts';

const KEY = 'topology.local.csi-subdir.dev/node';

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

  const nodeOf = async (name: string): Promise<string> =>
    (await read<{ readonly spec: { readonly nodeName: string } }>('pod', name, '-n', space.namespace)).spec.nodeName;

  it('publishes how much room each of them has', async () => {
    const capacities = await list<Capacity>('csistoragecapacities', '--all-namespaces');
    const nodes = capacities
      .filter(({ storageClassName }) => storageClassName === LOCAL_CLASS)
      .map(({ nodeTopology }) => nodeTopology.matchLabels[KEY]);
    expect(nodes.sort()).toEqual([NFS_NODE, 'node1']);
  });

  it.each(['node1', NFS_NODE])('makes a volume where its pod is, on %s, and later pods follow it', async (node) => {
    await space.claim(node, { storageClass: LOCAL_CLASS });
    await space.pod(`${node}-first`, {
      claim: node,
      script: 'hostname >/data/word',
      spec: { nodeSelector: { 'kubernetes.io/hostname': node } },
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

  it('leaves no warning', async () => {
    expect(await space.warnings()).toEqual([]);
  });
});
