import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, kubectl, read } from '../support/cluster.ts';
import { besideDriver, filesInPool, LOCAL_CLASS, POOL } from '../support/installed.ts';
import { claimSpec, localClass, pod, podSpec } from '../support/objects.ts';
import { openSpace, type Space } from '../support/space.ts';

describe('claims of the local driver', () => {
  let space: Space;
  beforeAll(async () => {
    space = await openSpace('e2e-claims');
    await space.apply(localClass('e2e-immediate', {}, { volumeBindingMode: 'Immediate' }));
  });
  afterAll(async () => {
    await space.close();
    await kubectl('delete', 'storageclass', 'e2e-immediate');
  });

  it('wait for their first pod; a later pod finds what an earlier one has written', async () => {
    await space.claim('site', { storageClass: LOCAL_CLASS });
    const { status } = await read<{ readonly status: { readonly phase: string } }>(
      'pvc',
      'site',
      '-n',
      space.namespace,
    );
    expect(status.phase).toBe('Pending');
    await space.pod('writer', { claim: 'site', script: 'echo "<h1>hello</h1>" >/data/index.html' });
    expect(await filesInPool()).toContainEqual(expect.stringMatching(/e2e-claims-site-.*\/index\.html$/));
    await space.remove('pod/writer');
    await space.pod('server', { claim: 'site', script: 'httpd -p 8080 -h /data' });
    expect(await space.sh('server', 'wget -qO- http://127.0.0.1:8080/')).toBe('<h1>hello</h1>');
    await space.remove('pod/server', 'pvc/site');
    await eventually('the directory gone', async () => (await filesInPool()).every((file) => !file.includes('site')));
  });

  it('are bound at once where their class says so', async () => {
    await space.claim('now', { storageClass: 'e2e-immediate' });
    await kubectl('wait', '-n', space.namespace, '--for=jsonpath={.status.phase}=Bound', 'pvc/now', '--timeout=60s');
    await space.pod('now', { claim: 'now', script: 'echo now >/data/word' });
  });

  it('can be used by two pods at once, ReadWriteMany', async () => {
    await space.claim('many', { storageClass: LOCAL_CLASS, mode: 'ReadWriteMany' });
    await space.pod('many-a', { claim: 'many', script: 'echo a >/data/a' });
    await space.pod('many-b', { claim: 'many', script: 'echo b >/data/b' });
    expect(await space.sh('many-a', 'cat /data/b')).toBe('b');
    expect(await space.sh('many-b', 'cat /data/a')).toBe('a');
  });

  it('cannot be written with ReadOnlyMany', async () => {
    await space.claim('reading', { storageClass: LOCAL_CLASS, mode: 'ReadOnlyMany' });
    await space.pod('reading', { claim: 'reading' });
    await expect(space.sh('reading', 'touch /data/x')).rejects.toThrow(/Read-only file system/);
  });

  it('let one pod only with ReadWriteOncePod', async () => {
    await space.claim('alone', { storageClass: LOCAL_CLASS, mode: 'ReadWriteOncePod' });
    await space.pod('alone', { claim: 'alone' });
    await space.apply(pod('second', { claim: 'alone' }));
    const refusal = await eventually(
      'the second pod refused',
      async () => (await space.events('second')).find((message) => message.includes('ReadWriteOncePod')) ?? false,
    );
    expect(refusal).toMatch(/0\/1 nodes are available|already used by another pod/);
    await space.remove('pod/second');
  });

  it('are mounted read-only, and in part', async () => {
    await space.claim('parts', { storageClass: LOCAL_CLASS });
    await space.pod('whole', { claim: 'parts', script: 'mkdir /data/part && echo part >/data/part/word' });
    await space.pod('part', { claim: 'parts', mount: { subPath: 'part' } });
    expect(await space.sh('part', 'cat /data/word')).toBe('part');
    await space.pod('reader', { claim: 'parts', mount: { readOnly: true } });
    await expect(space.sh('reader', 'touch /data/x')).rejects.toThrow(/Read-only file system/);
  });

  it('belong to the group of their pod', async () => {
    await space.claim('grouped', { storageClass: LOCAL_CLASS });
    await space.pod('grouped', { claim: 'grouped', script: 'touch /data/file' });
    expect(await space.sh('grouped', 'stat -c "%g %A" /data')).toMatch(/^1000 drwxrws/);
    expect(await space.sh('grouped', 'stat -c %g /data/file')).toBe('1000');
  });

  it('of a StatefulSet keep each its own data', async () => {
    await space.apply({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'db' },
      spec: {
        replicas: 3,
        serviceName: 'db',
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: { app: 'db' } },
        template: {
          metadata: { labels: { app: 'db' } },
          spec: { ...podSpec({ script: 'hostname >>/data/names' }), volumes: [] },
        },
        volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claimSpec({ storageClass: LOCAL_CLASS }) }],
      },
    });
    await kubectl('rollout', 'status', '-n', space.namespace, 'statefulset/db', '--timeout=90s');
    await kubectl('delete', 'pods', '-n', space.namespace, '--selector=app=db', '--timeout=60s');
    await kubectl('rollout', 'status', '-n', space.namespace, 'statefulset/db', '--timeout=90s');
    for (const name of ['db-0', 'db-1', 'db-2']) {
      await space.running(name);
      expect(await space.sh(name, 'cat /data/names')).toBe(`${name}\n${name}`);
    }
  });

  it('leave no warning but those that were meant', async () => {
    expect(await space.warnings(/Pod\/second /)).toEqual([]);
  });

  it('leave nothing when they are deleted', async () => {
    await space.remove('statefulset/db');
    await kubectl('delete', 'pods,pvc', '--all', '-n', space.namespace, '--timeout=110s');
    await eventually('the pool empty', async () => {
      const left = await besideDriver(
        `find ${POOL} -mindepth 1 -maxdepth 1 -name 'e2e-claims*'; ls ${POOL}/.csi-subdir/trash`,
      );
      return left === '' ? true : Promise.reject(new Error(left));
    });
  });
});
