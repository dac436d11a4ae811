import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, eventually, kubectl } from '../support/cluster.ts';
import { claimSpec, pod } from '../support/objects.ts';
import {
  EXPORTED,
  installMoved,
  installShared,
  ON_NFS_NODE,
  onNfsNode,
  openNfsNode,
  server,
} from '../support/shared.ts';
import { fromClaim, fromSnapshot, takeSnapshot } from '../support/snapshots.ts';
import { openSpace, type Space } from '../support/space.ts';

describe('volumes on NFS', () => {
  let space: Space;
  beforeAll(async () => {
    await openNfsNode();
    space = await openSpace('e2e-nfs');
  });
  afterAll(async () => {
    await space.close();
    await kubectl('delete', 'pod', 'nfs1-shell', '--timeout=60s');
  });

  const start = (name: string, claim: string, script = 'true') => space.pod(name, { claim, script, spec: ON_NFS_NODE });
  const filesOn = async (name: 'a' | 'b'): Promise<readonly string[]> =>
    (await onNfsNode(`cd ${EXPORTED[name]} && find . -path ./.csi-subdir -prune -o -type f -print`)).split('\n');

  it('are bound at once, and keep what a pod has written', async () => {
    await space.claim('data', { storageClass: 'on-a', mode: 'ReadWriteMany' });
    await kubectl('wait', '-n', space.namespace, 'pvc/data', '--for=jsonpath={.status.phase}=Bound', '--timeout=60s');
    await start('writer', 'data', 'echo hello >/data/word');
    await space.remove('pod/writer');
    await start('reader', 'data');
    expect(await space.sh('reader', 'cat /data/word')).toBe('hello');
    expect(await space.sh('reader', 'grep " /data " /proc/mounts')).toMatch(
      /^10\.77\.1\.2:\/export\/e2e-nfs-data-\S+ \/data nfs4/,
    );
  });

  it('can be written by several pods', async () => {
    await start('second', 'data', 'echo second >/data/second');
    expect(await space.sh('reader', 'cat /data/second')).toBe('second');
    await space.remove('pod/second');
  });

  it('are found by a static PV', async () => {
    const { spec } = await space.volumeOf('data');
    await apply([
      {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: 'e2e-static' },
        spec: {
          storageClassName: 'static',
          accessModes: ['ReadWriteMany'],
          capacity: { storage: '1Gi' },
          persistentVolumeReclaimPolicy: 'Retain',
          csi: {
            driver: 'shared.csi-subdir.dev',
            volumeHandle: 'e2e-static',
            volumeAttributes: spec.csi.volumeAttributes,
          },
        },
      },
    ]);
    await space.claim('static', { storageClass: 'static', mode: 'ReadWriteMany' });
    await start('static', 'static');
    expect(await space.sh('static', 'cat /data/word')).toBe('hello');
    await space.remove('pod/static', 'pvc/static');
    await kubectl('delete', 'pv', 'e2e-static');
    expect(await space.sh('reader', 'cat /data/word')).toBe('hello');
  });

  it('grow while they are used', async () => {
    const patch = { spec: { resources: { requests: { storage: '2Gi' } } } };
    await kubectl('patch', '-n', space.namespace, 'pvc/data', '--patch', JSON.stringify(patch));
    const grown = '--for=jsonpath={.status.capacity.storage}=2Gi';
    await kubectl('wait', '-n', space.namespace, 'pvc/data', grown, '--timeout=110s');
  });

  it('are snapshotted, restored and cloned', async () => {
    await takeSnapshot(space, 'then', 'data', 'csi-subdir-shared');
    await space.sh('reader', 'echo changed >/data/word');
    await space.claim('restored', { storageClass: 'on-a', size: '2Gi', spec: fromSnapshot('then') });
    await space.claim('clone', { storageClass: 'on-a', size: '2Gi', spec: fromClaim('data') });
    await start('restored', 'restored');
    await start('clone', 'clone');
    expect(await space.sh('restored', 'cat /data/word')).toBe('hello');
    expect(await space.sh('clone', 'cat /data/word')).toBe('changed');
    await space.sh('reader', 'echo hello >/data/word');
    await space.remove('pod/restored', 'pod/clone', 'pvc/restored', 'pvc/clone', 'volumesnapshot/then');
    expect(await kubectl('get', 'volumesnapshotcontents', '--output=name')).toBe('');
  });

  it('are deleted with their claim, archived, or left as they are', async () => {
    for (const name of ['on', 'archive', 'retain']) {
      await space.claim(name, { storageClass: `${name}-a` });
      await start(name, name, 'echo x >/data/word');
      const { metadata } = await space.volumeOf(name);
      await space.remove(`pod/${name}`, `pvc/${name}`);
      await kubectl('wait', '--for=delete', `pv/${metadata.name}`, '--timeout=60s');
    }
    const files = (await filesOn('a')).filter((file) => /nfs-(on|archive|retain)-/.test(file)).sort();
    expect(files).toEqual([
      expect.stringMatching(/^\.\/archived-e2e-nfs-archive/),
      expect.stringMatching(/^\.\/e2e-nfs-retain/),
    ]);
  });

  it('are unstaged though another of the same export is in use', async () => {
    const staged = (): Promise<string> => onNfsNode('grep -c "shared.csi-subdir.dev/.*/globalmount" /proc/mounts');
    await eventually('the one in use alone is staged', async () => (await staged()) === '1');
  });

  it('can be private on a server that squashes root, where the kubelet leaves their groups alone', async () => {
    const follow = (fsGroupPolicy: string): Promise<string> =>
      kubectl('patch', 'csidriver/shared.csi-subdir.dev', '--patch', JSON.stringify({ spec: { fsGroupPolicy } }));
    const script = 'mkdir -m 0700 /data/private && echo mine >/data/private/word';
    await space.claim('private', { storageClass: 'on-a' });
    await start('first', 'private', script);
    await space.remove('pod/first');
    await server('squash', 'a');
    try {
      await space.apply(pod('next', { claim: 'private', spec: ON_NFS_NODE }));
      await eventually('the kubelet is refused', async () =>
        (await space.events('next')).some((text) => /applyFSGroup failed.*permission denied/.test(text)),
      );
      await follow('None');
      await kubectl('wait', '-n', space.namespace, 'pod/next', '--for=condition=Ready', '--timeout=110s');
      expect(await space.sh('next', 'cat /data/private/word')).toBe('mine');
      await space.remove('pod/next');
    } finally {
      await server('trust', 'a');
      await follow('File');
    }
    await space.remove('pvc/private');
  });

  it('of other servers notice nothing when one is silent; when it is back, all resolves', async () => {
    await space.claim('late', { storageClass: 'on-a' });
    await start('doomed', 'late');
    await server('drop', 'a');
    try {
      await space.claim('waiting', { storageClass: 'on-a' });
      await space.claim('well', { storageClass: 'on-b' });
      await start('well', 'well', 'echo well >/data/word');
      expect(await space.sh('well', 'cat /data/word')).toBe('well');
      await space.remove('pod/well', 'pvc/well');
      await space.remove('pod/doomed');
      await eventually('an event that names the server', async () =>
        (await space.events('waiting')).some((text) => text.includes('10.77.1.2 does not answer')),
      );
    } finally {
      await server('heal', 'a');
    }
    await kubectl(
      'wait',
      '-n',
      space.namespace,
      'pvc/waiting',
      '--for=jsonpath={.status.phase}=Bound',
      '--timeout=110s',
    );
    expect(await space.sh('reader', 'cat /data/word')).toBe('hello');
    await space.remove('pvc/waiting', 'pvc/late');
  });

  it('stay while the kubelet is restarted', async () => {
    const before = await onNfsNode('pgrep -x kubelet');
    // Whoever asks for it is answered through the kubelet.
    await onNfsNode('setsid sh -c "sleep 1; pkill -x kubelet" >/dev/null 2>&1 &');
    await eventually('another kubelet', async () => (await onNfsNode('pgrep -x kubelet')) !== before);
    expect(await eventually('the pod answers', () => space.sh('reader', 'cat /data/word'))).toBe('hello');
    await start('after-kubelet', 'data');
    await space.remove('pod/after-kubelet');
  });

  it('move with their pool to another server, under a PV that lives', async () => {
    await space.remove('pod/reader');
    await onNfsNode(`cp -a ${EXPORTED.a}/. ${EXPORTED.b}/`);
    await installMoved();
    await start('moved', 'data');
    expect(await space.sh('moved', 'cat /data/word; grep " /data " /proc/mounts')).toMatch(
      /^hello\n10\.77\.2\.2:\/export\/e2e-nfs-data-/,
    );
    await space.remove('pod/moved', 'pvc/data');
    await installShared();
  });

  it('leave no warning but those of the squashing and the silent server, and of the restarted kubelet', async () => {
    const squashed = 'applyFSGroup failed';
    const silence = 'does not answer|no answer|cannot be mounted|DeadlineExceeded|Unavailable';
    const kubelet = 'not found in the list of registered CSI drivers';
    expect(await space.warnings(new RegExp(`${squashed}|${silence}|${kubelet}`))).toEqual([]);
  });

  it('are made with a pod that has one written into it, and gone with it', async () => {
    const csi = { driver: 'shared.csi-subdir.dev', volumeAttributes: { pool: 'a', size: '2Gi' } };
    await space.pod('inline', { volume: { csi }, script: 'echo x >/data/inline-word', spec: ON_NFS_NODE });
    expect(await filesOn('a')).toContainEqual(expect.stringMatching(/e2e-nfs-inline-.*\/inline-word$/));
    await space.remove('pod/inline');
    await eventually('nothing is left', async () => !(await filesOn('a')).some((file) => file.includes('inline-word')));
  });

  it('live as long as their pod where it has a template of a claim', async () => {
    const volume = { ephemeral: { volumeClaimTemplate: { spec: claimSpec({ storageClass: 'on-b' }) } } };
    await space.pod('generic', { volume, script: 'echo x >/data/generic-word', spec: ON_NFS_NODE });
    expect(await filesOn('b')).toContainEqual(expect.stringMatching(/generic-word$/));
    await space.remove('pod/generic');
    await eventually(
      'nothing is left',
      async () => !(await filesOn('b')).some((file) => file.includes('generic-word')),
    );
  });
});
