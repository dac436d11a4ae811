import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, kubectl } from '../support/cluster.ts';
import { besideDriver, driverReady, install, killDriver, LOCAL_CLASS, POOL, uninstall } from '../support/installed.ts';
import { isOurCluster, restartKubelet } from '../support/node.ts';
import { claim, pod } from '../support/objects.ts';
import { openSpace, type Space } from '../support/space.ts';

describe('a driver that is disturbed', () => {
  let space: Space;
  beforeAll(async () => {
    space = await openSpace('e2e-disturbance');
    await space.claim('data', { storageClass: LOCAL_CLASS });
    await space.pod('steady', { claim: 'data', script: 'while sleep 0.2; do date +%s >>/data/beat; done & true' });
  });
  afterAll(() => space.close());

  /** The pod that runs all the time writes on, and has not been restarted. */
  const expectBeating = async (): Promise<void> => {
    const lines = async (): Promise<number> => Number(await space.sh('steady', 'wc -l </data/beat'));
    const before = await lines();
    await eventually('the pod writes on', async () => (await lines()) > before, 20);
  };

  const comesAndGoes = async (name: string): Promise<void> => {
    await space.claim(name, { storageClass: LOCAL_CLASS });
    await space.pod(name, { claim: name, script: 'echo x >/data/word' });
    await space.remove(`pod/${name}`, `pvc/${name}`);
  };

  it('leaves the data of pods where they are when it is killed', async () => {
    await killDriver();
    await expectBeating();
    await driverReady();
    await comesAndGoes('after-kill');
  });

  it('finishes what was asked for while it is killed again and again', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `busy-${index}`);
    await space.apply(
      ...names.flatMap((name) => [claim(name, { storageClass: LOCAL_CLASS }), pod(name, { claim: name })]),
    );
    for (let turn = 0; turn < 3; turn += 1) await killDriver();
    for (const name of names) await space.running(name);
    await space.remove(...names.map((name) => `pod/${name}`), ...names.map((name) => `pvc/${name}`));
    await expectBeating();
  });

  it.runIf(isOurCluster)('is found again by a kubelet that is restarted', async () => {
    await restartKubelet();
    await comesAndGoes('after-kubelet');
    await expectBeating();
  });

  it('is replaced by another version while pods run', async () => {
    await install('--set=logLevel=debug');
    await expectBeating();
    await comesAndGoes('after-upgrade');
    await install();
  });

  it('leaves the data behind when it is uninstalled, and finds it when it is installed again', async () => {
    const { spec } = await space.volumeOf('data');
    await uninstall();
    await expectBeating();
    await install();
    expect(await besideDriver(`ls ${POOL}/${spec.csi.volumeAttributes.directory}`)).toBe('beat');
    await space.remove('pod/steady');
    await space.pod('later', { claim: 'data' });
    expect(Number(await space.sh('later', 'wc -l </data/beat'))).toBeGreaterThan(0);
    await space.remove('pod/later', 'pvc/data');
  });

  it('has nothing left mounted in the end', async () => {
    await kubectl('delete', 'pods,pvc', '--all', '-n', space.namespace, '--timeout=90s');
    await eventually('no mounts of volumes', async () => {
      const mounts = await besideDriver('grep -c kubernetes.io~csi /proc/self/mountinfo || true');
      return mounts === '0';
    });
  });
});
