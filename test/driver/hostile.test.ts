import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, plantCanary } from '../support/canary.ts';
import { isRoot, makeHome, mountsBelow, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { hostileCases } from '../support/hostile-cases.ts';
import { runHostile } from '../support/hostile-run.ts';
import { type Requests, type Subject, validRequests } from '../support/requests.ts';
import {
  codeOf,
  createVolume,
  kubeletPaths,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

describe.runIf(isRoot)('hostile input', () => {
  let driver: TestDriver;
  let subject: Subject;
  let target: string;
  let send: Requests;
  let canaries: readonly string[];
  let before: readonly string[];
  let mounts: readonly string[];
  beforeAll(async () => {
    const home = await makeHome();
    driver = await startDriver({ home });
    canaries = [join(home, 'canary'), join(driver.root, 'foreign'), join(driver.kubeletDir, 'pods/sibling')];
    for (const folder of canaries) await plantCanary(folder);
    await symlink(join(home, 'canary'), join(driver.root, 'link-out'));
    await writeFile(join(driver.root, 'a-file'), 'x');
    await mkdir(join(driver.kubeletDir, 'hostile'));

    const volume = await createVolume(driver, 'pvc-1');
    const paths = await kubeletPaths(driver, 'pvc-1');
    await stage(driver, volume, paths.staging);
    await publish(driver, volume, paths);
    await writeFile(join(paths.target, 'precious'), 'x');
    target = paths.target;
    const free = await kubeletPaths(driver, 'free', 'pod-free');
    subject = { volume, staging: paths.staging, mounted: target, freeStaging: free.staging, freeTarget: free.target };
    send = validRequests(driver, subject);
    mounts = await mountsBelow(driver.home);
  });
  beforeEach(async () => {
    before = await fingerprint(...canaries);
  });
  afterEach(async () => {
    expect(await fingerprint(...canaries)).toEqual(before);
    expect(await mountsBelow(driver.home)).toEqual(mounts);
    expect(await driver.identity.Probe({})).toEqual({ ready: { value: true } });
    expect(driver.output()).not.toContain('unexpected error');
    const { entries } = await driver.controller.ListVolumes({});
    expect(entries.map(({ volume }) => volume?.volume_id)).toEqual(['main/pvc-1']);
    expect((await stat(join(driver.root, 'pvc-1/precious'))).size).toBe(1);
  });
  afterAll(async () => {
    await unpublish(driver, subject.volume.volume_id, target);
    await unstage(driver, subject.volume.volume_id, subject.staging);
    await driver.stop();
    await removeHome(driver.home);
  });

  it('is seen by the fingerprint even where it is put back', async () => {
    const scratch = join(driver.home, 'scratch');
    await plantCanary(scratch);
    const first = await fingerprint(scratch);
    await chmod(join(scratch, 'inner'), 0o700);
    await chmod(join(scratch, 'inner'), 0o2751);
    expect((await fingerprint(scratch)).filter((line) => !first.includes(line))).toHaveLength(1);
  });

  it('gets a clear answer from every RPC, and nothing else happens', async () => {
    const cases = hostileCases(driver.kubeletDir, [canaries[0] ?? '', driver.root], 'OK');
    const { table, wrong } = await runHostile(driver, subject, cases);
    process.stdout.write(`${table}\n`);
    expect(wrong).toEqual([]);
  });

  it('finds no way through a link or a file in the root', async () => {
    const adopt = { existing: 'adopt' };
    const createAt = (directory: string, parameters = {}) =>
      createVolume(driver, basename(directory), {
        directory: join(dirname(directory), '{volume}'),
        ...parameters,
      });
    const outcomes: Record<string, readonly string[]> = {};
    for (const directory of ['link-out', 'link-out/inner', 'link-out/new/er', 'a-file', 'a-file/x', 'a-file/x/y']) {
      outcomes[directory] = [
        await codeOf(createAt(directory)),
        await codeOf(createAt(directory, adopt)),
        await codeOf(send.NodeStageVolume({ volume_id: 'static', volume_context: { pool: 'main', directory } })),
      ];
    }
    const refused = ['FAILED_PRECONDITION', 'FAILED_PRECONDITION', 'FAILED_PRECONDITION'];
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(outcomes).map((directory) => [directory, refused])));
    expect(await codeOf(createAt('foreign'))).toBe('FAILED_PRECONDITION');
    expect(await codeOf(createAt('pvc-1/x', adopt))).toBe('FAILED_PRECONDITION');
  });

  it('finds no way through a link or a file below the kubelet', async () => {
    const folder = join(driver.kubeletDir, 'hostile');
    const canary = canaries[0] ?? '';
    await symlink(canary, join(folder, 'link'));
    await symlink('loop', join(folder, 'loop'));
    await writeFile(join(folder, 'file'), '');
    const outcomes: Record<string, readonly string[]> = {};
    for (const name of ['link', 'link/inner', 'link/empty', 'link/new', 'loop', 'loop/x', 'file', 'file/x']) {
      const path = join(folder, name);
      outcomes[name] = [
        await codeOf(send.NodeStageVolume({ staging_target_path: path })),
        await codeOf(send.NodePublishVolume({ target_path: path })),
        await codeOf(send.NodeUnpublishVolume({ target_path: path })),
      ];
      // A mount that went through a link is not at the path that unpublish takes.
      const strays = (await mountsBelow(driver.home)).filter((mount) => !mounts.includes(mount));
      for (const stray of strays) await promisify(execFile)('umount', ['--', stray]);
      outcomes[name] = [...outcomes[name], ...strays];
    }
    await rm(folder, { recursive: true });
    await mkdir(folder);
    const refused = [
      'FAILED_PRECONDITION',
      'FAILED_PRECONDITION',
      expect.stringMatching(/^(?:OK|FAILED_PRECONDITION)$/),
    ];
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(outcomes).map((name) => [name, refused])));
  });

  it('is answered in time where a directory is as deep as it may be', async () => {
    const directory = `deep/${'a/'.repeat(1000)}{volume}`;
    const started = performance.now();
    const { code } = await outcomeOf(createVolume(driver, 'pvc-deep', { directory }));
    const seconds = (performance.now() - started) / 1000;
    await driver.controller.DeleteVolume({ volume_id: 'main/pvc-deep' });
    await rm(join(driver.root, 'deep'), { recursive: true, force: true });
    expect(['OK', 'INVALID_ARGUMENT']).toContain(code);
    expect(seconds).toBeLessThan(5);
  });

  it('outlives bytes that are no message', async () => {
    const client = new Client(`unix:${driver.socket}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    });
    const sendBytes = (path: string, bytes: Buffer): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const same = (data: Buffer): Buffer => data;
        client.makeUnaryRequest(path, same, same, bytes, (error) => (error === null ? resolve({}) : reject(error)));
      });
    const codes = new Set<string>();
    for (const bytes of [
      'ff',
      '0aff',
      '0a7f61',
      '0a02c328',
      '0a03eda080',
      '0b0b0b0b',
      '12ffffffff0f',
      '00'.repeat(64),
    ]) {
      for (const path of [
        '/csi.v1.Controller/CreateVolume',
        '/csi.v1.Controller/DeleteVolume',
        '/csi.v1.Node/NodeStageVolume',
      ])
        codes.add(await codeOf(sendBytes(path, Buffer.from(bytes, 'hex'))));
    }
    client.close();
    // INTERNAL is the gRPC library's own word for what it cannot read; it never comes to the driver.
    expect([...codes].filter((code) => !['OK', 'INTERNAL', 'INVALID_ARGUMENT'].includes(code))).toEqual([]);
    expect(codes).toContain('INTERNAL');
  });
});
