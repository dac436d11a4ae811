import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, run } from '../support/cluster.ts';
import { install } from '../support/installed.ts';
import { isOurCluster } from '../support/node.ts';
import { openSpace, type Space } from '../support/space.ts';

const PATH = '/var/lib/csi-subdir-btrfs';

/** A pool on btrfs, which holds every volume to its size. The node is this machine, so it can be given a disk. */
describe.runIf(isOurCluster)('sizes that are enforced', () => {
  let space: Space;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'csi-subdir-e2e-'));
    const image = join(folder, 'disk');
    await run('truncate', ['--size=2G', image]);
    await run('mkfs.btrfs', ['--quiet', image]);
    await mkdir(PATH);
    await run('mount', ['-o', 'loop', image, PATH]);
    await run('btrfs', ['quota', 'enable', PATH]);
    await install(
      `--set=local.pools.btrfs.hostPath.path=${PATH}`,
      ...classes({ btrfs: 'btrfs', 'csi-subdir-local': 'main' }),
    );
    space = await openSpace('e2e-sizes');
    await space.claim('data', { storageClass: 'btrfs', size: '64Mi' });
    await space.pod('pod', { claim: 'data' });
  });
  afterAll(async () => {
    await space.close();
    await install();
    await run('umount', [PATH]);
    await rmdir(PATH);
    await rm(folder, { recursive: true });
  });

  const classes = (pools: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(pools).map(([name, pool]) => `--set=local.storageClasses.${name}.parameters.pool=${pool}`);

  const mebibytes = async (): Promise<number> =>
    Number(await space.sh('pod', "df -m /data | awk 'NR == 2 { print $2 }'"));
  const write = (count: number): Promise<string> =>
    space.sh('pod', `dd if=/dev/zero of=/data/file bs=1M count=${count} conv=fsync 2>&1`);

  it('are what df shows in the pod', async () => {
    expect(await mebibytes()).toBe(64);
  });

  it('end what a pod writes', async () => {
    await expect(write(100)).rejects.toThrow(/No space left on device|Disk quota exceeded/);
    await space.sh('pod', 'rm /data/file');
  });

  it('grow in the pod, while it runs', async () => {
    const patch = { spec: { resources: { requests: { storage: '128Mi' } } } };
    await kubectl('patch', '-n', space.namespace, 'pvc/data', '--patch', JSON.stringify(patch));
    const grown = '--for=jsonpath={.status.capacity.storage}=128Mi';
    await kubectl('wait', '-n', space.namespace, 'pvc/data', grown, '--timeout=110s');
    expect(await mebibytes()).toBe(128);
    await write(100);
  });
});
