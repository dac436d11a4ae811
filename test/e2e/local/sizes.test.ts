import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { eventually, run } from '../support/cluster.ts';
import { install } from '../support/installed.ts';
import { isOurCluster, volumeSizeOf } from '../support/node.ts';
import { expectToEndWrites, grow } from '../support/sizes.ts';
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

  it('are what the kubelet knows', async () => {
    // Not what df shows: btrfs shows the whole disk, whatever the limit.
    const isShown = async () => (await volumeSizeOf('node1', space.namespace, 'data')) === 64 * 2 ** 20;
    await eventually('64 MiB in the statistics', isShown, 120);
  });

  it('end what a pod writes', () => expectToEndWrites(space));

  it('grow in the pod, while it runs', () => grow(space));
});
