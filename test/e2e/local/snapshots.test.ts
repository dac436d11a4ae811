import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, read } from '../support/cluster.ts';
import { install, LOCAL_CLASS } from '../support/installed.ts';
import { fromClaim, fromSnapshot, installSnapshotCrds, SNAPSHOT_VALUES, takeSnapshot } from '../support/snapshots.ts';
import { openSpace, type Space } from '../support/space.ts';

describe('snapshots and clones', () => {
  let space: Space;
  beforeAll(async () => {
    await installSnapshotCrds();
    await install(...SNAPSHOT_VALUES);
    space = await openSpace('e2e-snapshots');
    await space.claim('source', { storageClass: LOCAL_CLASS });
    await space.pod('source', { claim: 'source', script: 'echo first >/data/word; ln /data/word /data/link' });
  });
  afterAll(async () => {
    await space.close();
    await install();
  });

  it('are taken, and restored as they were', async () => {
    await takeSnapshot(space, 'then', 'source', LOCAL_CLASS);
    await space.sh('source', 'echo second >/data/word');
    await space.claim('restored', { storageClass: LOCAL_CLASS, spec: fromSnapshot('then') });
    await space.pod('restored', { claim: 'restored' });
    expect(await space.sh('restored', 'cat /data/word; stat -c %h /data/word')).toBe('first\n2');
    expect(await space.sh('source', 'cat /data/word')).toBe('second');
  });

  it('are clones of a claim', async () => {
    await space.claim('clone', { storageClass: LOCAL_CLASS, spec: fromClaim('source') });
    await space.pod('clone', { claim: 'clone', script: 'echo third >/data/word' });
    expect(await space.sh('clone', 'cat /data/link')).toBe('third');
    expect(await space.sh('source', 'cat /data/word')).toBe('second');
  });

  it('survive their source, and go', async () => {
    await space.remove('pod/source', 'pvc/source');
    const { status } = await read<{ readonly status: { readonly readyToUse: boolean } }>(
      'volumesnapshot',
      'then',
      '-n',
      space.namespace,
    );
    expect(status.readyToUse).toBe(true);
    await space.remove('volumesnapshot/then');
    expect(await kubectl('get', 'volumesnapshotcontents', '--output=name')).toBe('');
  });

  it('leave no warning', async () => {
    expect(await space.warnings()).toEqual([]);
  });
});
