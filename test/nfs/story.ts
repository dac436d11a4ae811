import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, open, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Volume__Output } from '../../src/gen/csi/v1/Volume.ts';
import type { VolumeCapability } from '../../src/gen/csi/v1/VolumeCapability.ts';
import { makeHome, mountsBelow, type TestDriver } from '../support/driver.ts';
import { INLINE_ID, INLINE_NAME, publishInline, unpublishInline } from '../support/inline.ts';
import {
  codeOf,
  createVolume,
  kubeletPaths,
  mountCapability,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';
import { A, A_BY_IPV6, B, clear, EXPORT, type Server, srv, trashIsEmpty, until } from './ground.ts';
import { endShared, mountDirOf, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** What users do with volumes on an export, from beginning to end. */
export const storyTests: Tests = {
  'a static PV is written on one node, read on another, and seen by two at once': () => shareStaticVolume(A),
  'the same on a server with an IPv6 address': () => shareStaticVolume(A_BY_IPV6),
  'a pool is pointed at another server under its volumes': () => repoint(),
  'the kubelet can tell the volumes of an export apart': () => tellApart(),
  'a shared path that is an NFS mount of the node': () => sharePath(),
  'an inline volume lives as long as its pod, also beside a silent server': () => writeIntoPod(),
  'an export that squashes root': () => useSquashed(),
  'the root of an NFSv4 server': () => useRoot(),
  'a server whose name cannot be resolved': () => failToResolve(),
};

const SHARED = 'MULTI_NODE_MULTI_WRITER';
const run = promisify(execFile);

/** A directory that an admin has made, and the PV written for it by hand. */
const staticVolume = async ({ directory }: Server, name: string): Promise<Volume__Output> => {
  await mkdir(join(directory, name), { recursive: true });
  return {
    volume_id: `main/${name}`,
    volume_context: { pool: 'main', directory: name },
    capacity_bytes: 0,
    content_source: null,
    accessible_topology: [],
  };
};

/** Stages and publishes as the kubelet does; answers how to take it down again. */
const attach = async (
  node: TestDriver,
  volume: Volume__Output,
  { readonly = false, capability = mountCapability(SHARED), pod = 'pod-1' as string } = {},
) => {
  const paths = await kubeletPaths(node, volume.volume_id.replace('/', '-'), pod);
  await stage(node, volume, paths.staging);
  await publish(node, volume, paths, { readonly, capability: capability as VolumeCapability });
  return {
    path: paths.target,
    detach: async () => {
      await unpublish(node, volume.volume_id, paths.target);
      await unstage(node, volume.volume_id, paths.staging);
    },
  };
};

const withNodes = async (server: Server, work: (one: TestDriver, two: TestDriver) => Promise<void>): Promise<void> => {
  const nodes = await Promise.all(
    ['node-1', 'node-2'].map((name) =>
      startShared({ main: poolOn(server) }, { flags: ['--mode', 'node', '--node-id', name] }),
    ),
  );
  const [one, two] = nodes as [TestDriver, TestDriver];
  try {
    await work(one, two);
  } finally {
    await Promise.all(nodes.map(endShared));
    await clear(server);
  }
};

const shareStaticVolume = (server: Server): Promise<void> =>
  withNodes(server, async (one, two) => {
    const volume = await staticVolume(server, 'by-hand');
    const first = await attach(one, volume);
    await writeFile(join(first.path, 'note'), 'from one');
    await first.detach();
    assert.equal(await readFile(join(server.directory, 'by-hand/note'), 'utf8'), 'from one');

    const second = await attach(two, volume);
    assert.equal(await readFile(join(second.path, 'note'), 'utf8'), 'from one');
    const again = await attach(one, volume);
    await writeFile(join(second.path, 'both'), 'from two');
    assert.equal(await readFile(join(again.path, 'both'), 'utf8'), 'from two');
    await again.detach();

    const reader = await attach(one, volume, { readonly: true, pod: 'pod-reader' });
    assert.equal(await readFile(join(reader.path, 'both'), 'utf8'), 'from two');
    await assert.rejects(writeFile(join(reader.path, 'mine'), 'x'), { code: 'EROFS' });
    const readers = mountCapability('MULTI_NODE_READER_ONLY');
    const other = await attach(two, volume, { capability: readers, pod: 'pod-reader' });
    await assert.rejects(writeFile(join(other.path, 'mine'), 'x'), { code: 'EROFS' });
    await writeFile(join(second.path, 'still'), 'writable');
    for (const { detach } of [reader, other]) await detach();
    await second.detach();
  });

/** By device and root alone: what has both in common with another mount is not unstaged. */
const tellApart = (): Promise<void> =>
  withNodes(A, async (node) => {
    const pods = [];
    for (const name of ['one', 'two']) pods.push(await attach(node, await staticVolume(A, name)));
    const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
      .split('\n')
      .filter((line) => line.includes(node.kubeletDir));
    const identities = mounts.map((line) => line.split(' ').slice(2, 4).join(' '));
    assert.equal(identities.length, 4);
    assert.equal(new Set(identities).size, 2, identities.join('\n'));
    for (const { detach } of pods) await detach();
  });

/** The kernel shows every directory of it with the root of the mount. */
const sharePath = async (): Promise<void> => {
  const mounted = await mkdtemp('/tmp/csi-subdir-test-nas-');
  await run('mount', ['-t', 'nfs', '-o', 'nfsvers=4', `${A.address}:${EXPORT}`, mounted]);
  try {
    const path = join(mounted, 'team');
    await mkdir(path);
    const driver = await startShared({ main: { hostPath: { path, shared: true }, capacity: '10Gi' } });
    const volumes = [await createVolume(driver, 'one'), await createVolume(driver, 'two')];
    const pods = [];
    for (const volume of volumes) {
      await attach(driver, volume);
      pods.push(await attach(driver, volume), await attach(driver, volume, { pod: 'pod-2', readonly: true }));
    }
    assert.equal((await mountsBelow(driver.kubeletDir)).length, 4);
    await writeFile(join(pods[0]?.path ?? '', 'note'), 'of one');
    assert.equal(await readFile(join(pods[1]?.path ?? '', 'note'), 'utf8'), 'of one');
    await assert.rejects(writeFile(join(pods[1]?.path ?? '', 'mine'), 'x'), { code: 'EROFS' });
    assert.deepEqual(await readdir(pods[2]?.path ?? ''), []);
    const stats = { volume_id: volumes[0]?.volume_id ?? '', volume_path: pods[0]?.path ?? '' };
    assert.equal((await driver.node.NodeGetVolumeStats(stats)).volume_condition?.abnormal, false);
    for (const { detach } of pods) await detach();
    for (const { volume_id } of volumes) await driver.controller.DeleteVolume({ volume_id });
    await trashIsEmpty(path);
    await endShared(driver);
  } finally {
    await run('umount', ['--lazy', mounted]);
    await rmdir(mounted);
    await clear(A);
  }
};

/** Nobody but the node makes and deletes it. */
const writeIntoPod = async (): Promise<void> => {
  const pools = { main: poolOn(A), spare: poolOn(B) };
  // The controller makes the pools; a node never does.
  await endShared(await startShared(pools));
  const home = await makeHome();
  const flags = ['--mode', 'node'];
  const node = await startShared(pools, { home, flags });
  const { target } = await kubeletPaths(node, INLINE_ID);
  await publishInline(node, { pool: 'main', size: '2Gi' });
  await publishInline(node, { pool: 'main', size: '2Gi' });
  await writeFile(join(target, 'note'), 'of a pod');
  assert.equal(await readFile(join(A.directory, `shop-web-${INLINE_NAME}`, 'note'), 'utf8'), 'of a pod');
  await node.stop();

  const next = await startShared(pools, { home, flags });
  await srv('drop', A);
  try {
    // Nothing is left to tell the pool by, and A would have to be asked.
    assert.match(await codeOf(unpublishInline(next)), /^(?:UNAVAILABLE|DEADLINE_EXCEEDED)$/);
    assert.deepEqual(await mountsBelow(next.kubeletDir), []);
    const beside = await startShared(pools, { flags });
    await publishInline(beside, { pool: 'spare' });
    await unpublishInline(beside);
    await leaveNothing(B);
    await endShared(beside);
  } finally {
    await srv('heal', A);
  }
  await until('A answers', 60_000, async () => (await codeOf(unpublishInline(next))) === 'OK');
  await unpublishInline(next);
  await leaveNothing(A);
  await endShared(next);
  for (const server of [A, B]) await clear(server);
};

const leaveNothing = async ({ directory }: Server): Promise<void> => {
  assert.deepEqual(await readdir(join(directory, '.csi-subdir/volumes')), []);
  await trashIsEmpty(directory);
};

/** What root makes there belongs to nobody, and root may not give it to anybody. */
const useSquashed = async (): Promise<void> => {
  await srv('squash', A);
  const driver = await startShared({ main: poolOn(A) });
  try {
    const volume = await createVolume(driver, 'squashed');
    const { uid, mode } = await stat(join(A.directory, 'squashed'));
    assert.deepEqual([uid, mode & 0o7777], [65534, 0o777]);
    const pod = await attach(driver, volume);
    await writeFile(join(pod.path, 'note'), 'from root');
    assert.equal((await stat(join(A.directory, 'squashed/note'))).uid, 65534);
    await pod.detach();
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
    await trashIsEmpty(A.directory);
    const mount = await mountIdOf(driver);
    // As long as the mount is in use, its number is given to no other one.
    const held = await open(join(mountDirOf(driver.home), 'main'));
    assert.equal(await codeOf(createVolume(driver, 'given', { uid: '1000' })), 'FAILED_PRECONDITION');
    assert.deepEqual(await readdir(A.directory), ['.csi-subdir']);
    await closeAndDelete(driver);
    // What the server denies below the root is no reason to take the mount from under a copy.
    assert.equal(await mountIdOf(driver), mount);
    await held.close();
  } finally {
    await endShared(driver);
    await srv('trust', A);
    await clear(A);
  }
};

/** Where a server has a root of its own (fsid=0), what it exports lies below `/`. */
const useRoot = async (): Promise<void> => {
  await srv('root', A);
  const root = join(A.directory, '..');
  const driver = await startShared({ main: poolOn(A, { exported: '/' }) });
  try {
    const volume = await createVolume(driver, 'below-root');
    const pod = await attach(driver, volume);
    await writeFile(join(pod.path, 'note'), 'below the root');
    assert.equal(await readFile(join(root, 'below-root/note'), 'utf8'), 'below the root');
    await pod.detach();
    await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
    await trashIsEmpty(root);
  } finally {
    await endShared(driver);
    await srv('unroot', A);
    await rm(join(root, '.csi-subdir'), { recursive: true, force: true });
  }
};

/** A name that cannot be resolved is a reason that the log and the answer give. */
const failToResolve = async (): Promise<void> => {
  // Without a server of names, none is waited for.
  await writeFile('/tmp/resolv.conf', '');
  await run('mount', ['--bind', '/tmp/resolv.conf', '/etc/resolv.conf']);
  const unknown = { ...A, address: 'no-such-server.invalid' };
  const driver = await startShared({ main: poolOn(unknown), spare: poolOn(B) }, { impatient: true });
  try {
    let details = '';
    await until('the reason is known', 120_000, async () => {
      details = (await outcomeOf(createVolume(driver, 'none', { pool: 'main' }))).details;
      return /name of the server cannot be resolved/.test(details);
    }).catch((thrown: unknown) => assert.fail(`${thrown}: ${details}`));
    await until('the other pool is served', 120_000, async () => {
      const made = createVolume(driver, 'beside', { pool: 'spare' });
      return (await codeOf(made)) === 'OK';
    });
    await driver.controller.DeleteVolume({ volume_id: 'spare/beside' });
  } finally {
    await endShared(driver);
    await run('umount', ['/etc/resolv.conf']);
    await clear(B);
  }
};

/** A pod whose user is the squashed root denies the controller, which is the same user, everything. */
const closeAndDelete = async (driver: TestDriver): Promise<void> => {
  const volume = await createVolume(driver, 'closed');
  const pod = await attach(driver, volume);
  for (const [folder, mode] of [
    ['read-only', 0o555],
    ['read-only-too', 0o500],
    ['closed', 0],
  ] as const) {
    const path = join(pod.path, folder);
    await mkdir(join(path, 'inner'), { recursive: true });
    await writeFile(join(path, 'inner/file'), 'x');
    await chmod(join(path, 'inner'), mode);
    await chmod(path, mode);
  }
  await chmod(pod.path, 0o555);
  await pod.detach();
  await driver.controller.DeleteVolume({ volume_id: volume.volume_id });
  await trashIsEmpty(A.directory);
};

/** Another mount of the same export has another one. */
const mountIdOf = async ({ home }: TestDriver): Promise<string> => {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const line = table.split('\n').find((entry) => entry.split(' ')[4] === join(mountDirOf(home), 'main'));
  return line?.split(' ')[0] ?? 'not mounted';
};

const repoint = async (): Promise<void> => {
  const before = await startShared({ main: poolOn(A) });
  const { home } = before;
  const volume = await createVolume(before, 'moving');
  const old = await attach(before, volume);
  await writeFile(join(old.path, 'data'), 'made on A');
  await before.stop();

  await cp(A.directory, B.directory, { recursive: true, preserveTimestamps: true });
  const after = await startShared({ main: poolOn(B) }, { home });
  try {
    const paths = await kubeletPaths(after, 'main-moving');
    // What a running pod uses is not taken from under it; the next pod gets the new server.
    assert.equal(await codeOf(stage(after, volume, paths.staging)), 'FAILED_PRECONDITION');
    assert.equal(await readFile(join(old.path, 'data'), 'utf8'), 'made on A');
    await unpublish(after, volume.volume_id, paths.target);
    // The kubelet may have had no time to unstage it.
    await publish(after, volume, paths, { capability: mountCapability(SHARED) });
    assert.doesNotMatch(await readFile('/proc/self/mountinfo', 'utf8'), new RegExp(`${A.address}:/export/moving`));
    const moved = await attach(after, volume);
    assert.match(await readFile('/proc/self/mountinfo', 'utf8'), new RegExp(`${B.address}:/export/moving`));
    assert.equal(await readFile(join(moved.path, 'data'), 'utf8'), 'made on A');
    await writeFile(join(moved.path, 'data'), 'changed on B');
    assert.equal(await readFile(join(A.directory, 'moving/data'), 'utf8'), 'made on A');
    await moved.detach();
    await after.controller.DeleteVolume({ volume_id: volume.volume_id });
  } finally {
    await endShared(after);
    await Promise.all([A, B].map(clear));
  }
};
