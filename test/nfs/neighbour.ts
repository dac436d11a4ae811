import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { codeOf } from '../support/volume.ts';
import { measure, pathsFor, requestsFor } from './calls.ts';
import { A, B, clear, EXPORT, srv, trashIsEmpty } from './ground.ts';
import { endShared, poolOn, startShared } from './shared-driver.ts';
import { inSeconds } from './table.ts';
import type { Tests } from './tests.ts';

/** What a pod notices of the trouble of its neighbours. */
export const neighbourTests: Tests = {
  'a pod that waits for a silent server loses nothing when another pod is deleted': () => waitBesideDeletion(),
  'a node that has mounted nothing yet mounts from B while A is silent': () => mountFirstFromB(),
  'a local pool with project quotas does not notice a silent server of the same node': () => enforceBeside(),
};

/** Force ends all that waits for the server on a file system: it must not reach the volume of another pod. */
const waitBesideDeletion = async (): Promise<void> => {
  const driver = await startShared({ main: poolOn(A) });
  const [writer, deleted] = ['writer', 'deleted'].map((name) => requestsFor(driver, 'main', name));
  assert.ok(writer !== undefined && deleted !== undefined);
  for (const { CreateVolume, NodeStageVolume, NodePublishVolume } of [writer, deleted]) {
    await CreateVolume();
    await NodeStageVolume();
    await NodePublishVolume();
  }
  const file = join((await pathsFor(driver, 'writer')).target, 'file');
  const pod = spawn('sleep', ['600'], { cwd: (await pathsFor(driver, 'deleted')).target, stdio: 'ignore' });
  await srv('drop', A);
  const writing = spawn('dd', ['if=/dev/zero', `of=${file}`, 'bs=64k', 'count=16', 'conv=fsync'], { stdio: 'ignore' });
  const written = once(writing, 'exit');
  await sleep(2_000);
  const codes = [await codeOf(deleted.NodeUnpublishVolume()), await codeOf(deleted.NodeUnstageVolume())];
  await sleep(1_000);
  await srv('heal', A);
  const [status] = await written;
  pod.kill('SIGKILL');
  for (const { NodeUnpublishVolume, NodeUnstageVolume, DeleteVolume } of [writer, deleted]) {
    await NodeUnpublishVolume();
    await NodeUnstageVolume();
    await DeleteVolume();
  }
  await endShared(driver);
  assert.deepEqual([codes, status], [['OK', 'OK'], 0]);
};

/** The first mount from a server is where the kernel makes its acquaintance, one server at a time. */
const mountFirstFromB = async (): Promise<void> => {
  const volumes = [
    ['main', 'on-a'],
    ['spare', 'on-b'],
  ] as const;
  const controller = await startShared({ main: poolOn(A, { local: true }), spare: poolOn(B, { local: true }) });
  await Promise.all(volumes.map(([pool, name]) => requestsFor(controller, pool, name).CreateVolume()));
  const node = await startShared({ main: poolOn(A), spare: poolOn(B) }, { flags: ['--mode', 'node'] });
  const { stdout } = await promisify(execFile)('sh', ['-c', 'grep -c " nfs4* " /proc/mounts || true']);
  assert.equal(stdout.trim(), '0', 'something is mounted still');
  const [a, b] = volumes.map(([pool, name]) => requestsFor(node, pool, name));
  assert.ok(a !== undefined && b !== undefined);
  await srv('drop', A);
  const silent = measure(a.NodeStageVolume);
  await sleep(1_000);
  const staged = await measure(b.NodeStageVolume);
  const waited = await silent;
  await srv('heal', A);
  console.info(`        from B after ${inSeconds(staged.ms)} s; from A ${waited.code} after ${inSeconds(waited.ms)} s`);
  for (const requests of [a, b]) await requests.NodeUnstageVolume();
  await Promise.all(volumes.map(([pool, name]) => requestsFor(controller, pool, name).DeleteVolume()));
  for (const driver of [node, controller]) await endShared(driver);
  assert.equal(staged.code, 'OK');
  assert.ok(staged.ms < 10_000, `B waited for A: ${inSeconds(staged.ms)} s`);
};

/** The quota tools look at all NFS mounts of the node before they do anything. */
const enforceBeside = async (): Promise<void> => {
  await clear(B);
  const mounted = await mkdtemp('/tmp/csi-subdir-test-nas-');
  const run = promisify(execFile);
  await run('mount', ['-t', 'nfs', '-o', 'nfsvers=4', `${A.address}:${EXPORT}`, mounted]);
  const local = await startShared({ main: { hostPath: { path: B.directory }, sizes: 'enforce' } });
  const { CreateVolume, DeleteVolume } = requestsFor(local, 'main', 'beside');
  try {
    await srv('drop', A);
    assert.equal(await codeOf(CreateVolume()), 'OK');
    assert.equal(await codeOf(DeleteVolume()), 'OK');
    await trashIsEmpty(B.directory);
  } finally {
    await srv('heal', A);
    await endShared(local);
    await run('umount', ['--lazy', mounted]);
    await rmdir(mounted);
    await clear(B);
  }
};
