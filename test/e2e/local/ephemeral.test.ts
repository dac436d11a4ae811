import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, kubectl } from '../support/cluster.ts';
import { besideDriver, filesInPool, LOCAL_CLASS } from '../support/installed.ts';
import { claimSpec } from '../support/objects.ts';
import { openSpace, type Space } from '../support/space.ts';

describe('volumes that live as long as their pod', () => {
  let space: Space;
  beforeAll(async () => {
    space = await openSpace('e2e-ephemeral');
  });
  afterAll(() => space.close());

  const gone = (word: string) =>
    eventually(`no file ${word}`, async () => (await filesInPool()).every((file) => !file.endsWith(`/${word}`)));

  it('are made from a template of a claim', async () => {
    const volumeClaimTemplate = { spec: claimSpec({ storageClass: LOCAL_CLASS }) };
    await space.pod('generic', {
      volume: { ephemeral: { volumeClaimTemplate } },
      script: 'echo x >/data/generic-word',
    });
    expect(await filesInPool()).toContainEqual(expect.stringMatching(/generic-word$/));
    await space.remove('pod/generic');
    await gone('generic-word');
  });

  it('are written into the pod itself', async () => {
    const csi = { driver: 'local.csi-subdir.dev', volumeAttributes: { size: '100Mi' } };
    await space.pod('inline', { volume: { csi }, script: 'echo x >/data/inline-word' });
    expect(await filesInPool()).toContainEqual(expect.stringMatching(/inline-word$/));
    expect(await besideDriver('node /usr/local/lib/csi-subdir/csi-subdir.cjs volumes list')).toMatch(
      /e2e-ephemeral\/inline/,
    );
    await space.remove('pod/inline');
    await gone('inline-word');
  });

  it('are refused with an event where what they ask for cannot be', async () => {
    const csi = { driver: 'local.csi-subdir.dev', volumeAttributes: { directory: '../etc' } };
    await space.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'greedy' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: 'a', image: 'docker.io/library/busybox:1.36', volumeMounts: [{ name: 'data', mountPath: '/data' }] },
        ],
        volumes: [{ name: 'data', csi }],
      },
    });
    const message = await eventually(
      'the event',
      async () => (await space.events('greedy')).find((text) => text.includes('expected only the keys')) ?? false,
    );
    expect(message).toMatch(/size/);
    await space.remove('pod/greedy');
  });

  it('leave no warning but those that were meant', async () => {
    await kubectl('delete', 'pods', '--all', '-n', space.namespace, '--timeout=60s');
    expect(await space.warnings(/Pod\/greedy /)).toEqual([]);
  });
});
