import { resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectl, read } from '../support/cluster.ts';
import { install, LOCAL_CLASS } from '../support/installed.ts';
import { openSpace, type Space } from '../support/space.ts';

const SIDECARS = resolve(import.meta.dirname, '../ground/go/sidecars');
const CLIENT = 'github.com/kubernetes-csi/external-snapshotter/client/v8';

describe('snapshots and clones', () => {
  let space: Space;
  beforeAll(async () => {
    // The CRDs come with the Go module of their client.
    const { stdout } = await execa('go', ['list', '-m', '-f', '{{.Dir}}', CLIENT], { cwd: SIDECARS });
    await kubectl('apply', '--server-side', '--kustomize', `${stdout}/config/crd`);
    await install('--set=snapshots=true', '--set=snapshotController.install=true');
    space = await openSpace('e2e-snapshots');
    await space.claim('source', { storageClass: LOCAL_CLASS });
    await space.pod('source', { claim: 'source', script: 'echo first >/data/word; ln /data/word /data/link' });
  });
  afterAll(async () => {
    await space.close();
    await install();
  });

  const ready = (name: string) =>
    kubectl(
      'wait',
      '-n',
      space.namespace,
      `volumesnapshot/${name}`,
      '--for=jsonpath={.status.readyToUse}=true',
      '--timeout=60s',
    );

  it('are taken, and restored as they were', async () => {
    await space.apply({
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name: 'then' },
      spec: { volumeSnapshotClassName: LOCAL_CLASS, source: { persistentVolumeClaimName: 'source' } },
    });
    await ready('then');
    await space.sh('source', 'echo second >/data/word');
    const dataSource = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' };
    await space.claim('restored', { storageClass: LOCAL_CLASS, spec: { dataSource } });
    await space.pod('restored', { claim: 'restored' });
    expect(await space.sh('restored', 'cat /data/word; stat -c %h /data/word')).toBe('first\n2');
    expect(await space.sh('source', 'cat /data/word')).toBe('second');
  });

  it('are clones of a claim', async () => {
    const dataSource = { kind: 'PersistentVolumeClaim', name: 'source' };
    await space.claim('clone', { storageClass: LOCAL_CLASS, spec: { dataSource } });
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
