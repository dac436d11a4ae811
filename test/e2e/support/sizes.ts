import { expect } from 'vitest';
import { kubectl } from './cluster.ts';
import type { Space } from './space.ts';

/** What a pod `pod` with 64 MiB of the claim `data` at /data finds. */

/** Size of the volume in MiB, as df shows it in the pod. */
export const shownByDf = async (space: Space): Promise<number> =>
  Number(await space.sh('pod', "df -m /data | awk 'NR == 2 { print $2 }'"));

export const expectToEndWrites = async (space: Space): Promise<void> => {
  await expect(write(space)).rejects.toThrow(/No space left on device|Disk quota exceeded/);
  await space.sh('pod', 'rm /data/file');
};

/** To 128 MiB, while the pod runs; then what did not fit does. */
export const grow = async (space: Space): Promise<void> => {
  const patch = { spec: { resources: { requests: { storage: '128Mi' } } } };
  await kubectl('patch', '-n', space.namespace, 'pvc/data', '--patch', JSON.stringify(patch));
  const grown = '--for=jsonpath={.status.capacity.storage}=128Mi';
  await kubectl('wait', '-n', space.namespace, 'pvc/data', grown, '--timeout=110s');
  await write(space);
};

const write = (space: Space): Promise<string> =>
  space.sh('pod', 'dd if=/dev/zero of=/data/file bs=1M count=100 conv=fsync 2>&1');
