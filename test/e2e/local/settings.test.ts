import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, eventually, kubectl, read } from '../support/cluster.ts';
import { besideDriver, filesInPool, LOCAL_CLASS, POOL } from '../support/installed.ts';
import { localClass, pod } from '../support/objects.ts';
import { openSpace, type Space } from '../support/space.ts';

const CLASSES = [
  localClass('e2e-archive', { onDelete: 'archive' }),
  localClass('e2e-retain', { onDelete: 'retain' }),
  localClass('e2e-kept', {}, { reclaimPolicy: 'Retain' }),
  localClass('e2e-wrong', { colour: 'blue' }),
  localClass('e2e-tight', { mode: '0750', uid: '1000', gid: '1000', directory: 'tight/{namespace}/{claim}' }),
];

const ATTRIBUTES_CLASS = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'VolumeAttributesClass',
  metadata: { name: 'e2e-keep' },
  driverName: 'local.csi-subdir.dev',
  parameters: { onDelete: 'retain', mode: '0700' },
};

describe('what a claim can ask for', () => {
  let space: Space;
  beforeAll(async () => {
    space = await openSpace('e2e-settings');
    await apply([...CLASSES, ATTRIBUTES_CLASS]);
  });
  afterAll(async () => {
    await space.close();
    await kubectl('delete', 'storageclass', ...CLASSES.map(({ metadata }) => metadata.name));
    await kubectl('delete', 'volumeattributesclass', 'e2e-keep');
    await besideDriver(`rm -rf ${POOL}/e2e-settings-* ${POOL}/archived-e2e-settings-* ${POOL}/tight`);
  });

  /** A claim with a file in it, deleted again: what is left of it in the pool. */
  const leftOf = async (name: string, storageClass: string): Promise<readonly string[]> => {
    await space.claim(name, { storageClass });
    await space.pod(name, { claim: name, script: 'echo x >/data/word' });
    const { metadata } = await space.volumeOf(name);
    await space.remove(`pod/${name}`, `pvc/${name}`);
    if (storageClass !== 'e2e-kept') await kubectl('wait', '--for=delete', `pv/${metadata.name}`, '--timeout=60s');
    return (await filesInPool()).filter((file) => file.includes(`settings-${name}-`));
  };

  it('is deleted with its claim, archived, or left as it is', async () => {
    expect(await leftOf('deleted', LOCAL_CLASS)).toEqual([]);
    expect(await leftOf('archived', 'e2e-archive')).toEqual([expect.stringMatching(/\/archived-.*\/word$/)]);
    expect(await leftOf('retained', 'e2e-retain')).toEqual([expect.stringMatching(/^\.\/e2e-settings-.*\/word$/)]);
  });

  it('keeps its PV where the reclaim policy is Retain', async () => {
    expect(await leftOf('kept', 'e2e-kept')).toEqual([expect.stringMatching(/\/word$/)]);
    await kubectl('wait', 'pv', '--all', '--for=jsonpath={.status.phase}=Released', '--timeout=60s');
    const { items } = await read<{ readonly items: readonly { readonly metadata: { readonly name: string } }[] }>('pv');
    await kubectl('delete', 'pv', ...items.map(({ metadata }) => metadata.name));
  });

  it('has the owner, the mode and the directory of its class', async () => {
    await space.claim('tight', { storageClass: 'e2e-tight' });
    await space.pod('tight', { claim: 'tight', spec: { securityContext: { runAsUser: 1000 } } });
    expect(await besideDriver(`stat -c '%a %u %g' ${POOL}/tight/e2e-settings/tight`)).toBe('750 1000 1000');
  });

  it('grows while it is used', async () => {
    await space.claim('growing', { storageClass: LOCAL_CLASS, size: '1Gi' });
    await space.pod('growing', { claim: 'growing', script: 'echo before >/data/word' });
    const patch = { spec: { resources: { requests: { storage: '3Gi' } } } };
    await kubectl('patch', '-n', space.namespace, 'pvc/growing', '--patch', JSON.stringify(patch));
    const grown = '--for=jsonpath={.status.capacity.storage}=3Gi';
    await kubectl('wait', '-n', space.namespace, 'pvc/growing', grown, '--timeout=110s');
    expect((await space.volumeOf('growing')).spec.capacity.storage).toBe('3Gi');
    expect(await space.sh('growing', 'cat /data/word')).toBe('before');
  });

  it('changes with its VolumeAttributesClass', async () => {
    await space.claim('changing', { storageClass: LOCAL_CLASS });
    await space.pod('changing', { claim: 'changing' });
    const patch = { spec: { volumeAttributesClassName: 'e2e-keep' } };
    await kubectl('patch', '-n', space.namespace, 'pvc/changing', '--patch', JSON.stringify(patch));
    const changed = '--for=jsonpath={.status.currentVolumeAttributesClassName}=e2e-keep';
    await kubectl('wait', '-n', space.namespace, 'pvc/changing', changed, '--timeout=60s');
    const { spec } = await space.volumeOf('changing');
    expect(await besideDriver(`stat -c %a ${POOL}/${spec.csi.volumeAttributes.directory}`)).toMatch(/700$/);
  });

  it('is told what is wrong with its class, by an event', async () => {
    await space.claim('wrong', { storageClass: 'e2e-wrong' });
    await space.apply(pod('wrong', { claim: 'wrong' }));
    const message = await eventually(
      'an event that names the parameter',
      async () => (await space.events('wrong')).find((text) => text.includes('colour')) ?? false,
    );
    expect(message).toMatch(/parameters: expected only the keys pool, directory, mode, .*, got "?colour/);
    await space.remove('pod/wrong', 'pvc/wrong');
  });

  it('leaves no warning but those that were meant', async () => {
    expect(await space.warnings(/\/wrong /)).toEqual([]);
  });
});
