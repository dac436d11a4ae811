import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { install, LOCAL_CLASS } from '../support/installed.ts';
import { EXPORTED, installShared, ON_NFS_NODE } from '../support/shared.ts';
import { expectToEndWrites, grow, shownByDf } from '../support/sizes.ts';
import { openSpace, type Space } from '../support/space.ts';

/** On XFS, which only that node's kernel has with quotas. */
const local = {
  node: ON_NFS_NODE,
  storageClasses: { [LOCAL_CLASS]: null, 'on-xfs': {} },
  pools: { main: null, quota: { hostPath: { path: `${EXPORTED.a}/of-the-local-driver` }, sizes: 'enforce' } },
};

describe('sizes that are enforced by project quotas', () => {
  let space: Space;
  beforeAll(async () => {
    await install(`--set-json=local=${JSON.stringify(local)}`);
    space = await openSpace('e2e-projects');
    await space.claim('data', { storageClass: 'on-xfs', size: '64Mi' });
    await space.pod('pod', { claim: 'data', spec: ON_NFS_NODE });
  });
  afterAll(async () => {
    await space.close();
    await installShared();
  });

  it('are what df shows in the pod', async () => {
    expect(await shownByDf(space)).toBe(64);
  });

  it('end what a pod writes', () => expectToEndWrites(space));

  it('grow in the pod, while it runs', async () => {
    await grow(space);
    expect(await shownByDf(space)).toBe(128);
  });
});
