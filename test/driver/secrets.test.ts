import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { type Fields, type Requests, type Rpc, validRequests } from '../support/requests.ts';
import { createTally } from '../support/tally.ts';
import {
  createVolume,
  GIB,
  kubeletPaths,
  mountCapability,
  outcomeOf,
  publish,
  stage,
  unpublish,
} from '../support/volume.ts';
import { watchChildren } from '../support/watching.ts';

const CANARY = 'CANARY-5f2c9be1d04a';
const SECRETS = { password: CANARY, token: `Bearer ${CANARY}`, [`key-${CANARY}`]: 'x', 'a=b': `a,b\n${CANARY}` };
const TOKENS = JSON.stringify({ vault: { token: CANARY, expirationTimestamp: '2030-01-01T00:00:00Z' } });
const run = promisify(execFile);

interface Attempt {
  readonly rpc: Rpc;
  readonly fields: Fields;
  readonly code: string;
}

describe.runIf(isRoot)('a secret', () => {
  let driver: TestDriver;
  let send: Requests;
  let readOnly: string;
  let staging: string;
  let mounted: string;
  beforeAll(async () => {
    const home = await makeHome();
    const root = join(home, 'root');
    await mkdir(root);
    await run('mount', ['--bind', root, root]);
    driver = await startDriver({ home, pool: { capacity: '4Gi' } });
    await mkdir(join(driver.root, 'foreign'));
    await symlink('/nonexistent', join(driver.root, 'link'));
    await writeFile(join(driver.kubeletDir, 'file'), '');
    readOnly = join(driver.kubeletDir, 'read-only');
    await mkdir(readOnly);
    await run('mount', ['--bind', readOnly, readOnly]);
    await run('mount', ['-o', 'remount,bind,ro', readOnly]);

    const volume = await createVolume(driver, 'pvc-1');
    const other = await createVolume(driver, 'pvc-2');
    const paths = await kubeletPaths(driver, 'pvc-1');
    const free = await kubeletPaths(driver, 'free', 'pod-free');
    staging = paths.staging;
    await stage(driver, volume, paths.staging);
    mounted = paths.target;
    await publish(driver, volume, paths);
    await publish(driver, other, { staging, target: join(driver.kubeletDir, 'other') });
    send = validRequests(driver, { volume, staging, mounted, freeStaging: free.staging, freeTarget: free.target });
  });
  afterAll(async () => {
    await unpublish(driver, 'main/pvc-1', mounted);
    await unpublish(driver, 'main/pvc-2', join(driver.kubeletDir, 'other'));
    await run('umount', ['--', readOnly]);
    await driver.stop();
    await run('umount', ['--', driver.root]);
    await removeHome(driver.home);
  });

  it('is in no log, no answer, no metric, no record and no command line', async () => {
    const watching = watchChildren(driver.pid);
    const tally = createTally();
    const answers: string[] = [];
    const wrong: string[] = [];
    for (const { rpc, fields, code } of attemptsOf(driver.kubeletDir, readOnly)) {
      const context = { volume_context: { pool: 'main', directory: 'pvc-1', ...contextOf(rpc) } };
      const outcome = await outcomeOf(send[rpc]({ secrets: SECRETS, ...context, ...fields }));
      tally.count(rpc, outcome.code);
      answers.push(outcome.details);
      if (outcome.code !== code) wrong.push(`${rpc} ${JSON.stringify(fields)}: ${outcome.code} ${outcome.details}`);
    }
    // A child lives for a millisecond or two: of many some are seen.
    for (let left = 25; left > 0; left -= 1) {
      await send.NodePublishVolume({
        secrets: SECRETS,
        volume_capability: mountCapability('SINGLE_NODE_WRITER', ['nosuid']),
      });
      await send.NodeUnpublishVolume({});
    }
    const unbindable = await publishUnbindable();
    answers.push(unbindable.details);
    const children = await watching.stop();
    const places: Readonly<Record<string, string>> = {
      answers: answers.join('\n'),
      log: driver.output(),
      metrics: await get('/metrics'),
      readiness: await get('/readyz'),
      records: await textBelow(driver.root),
      children: children.join('\n'),
    };

    process.stdout.write(`${tally.format('with a secret each')}, ${children.length} command lines and environments\n`);
    expect(unbindable.code).toBe('INTERNAL');
    // That it could have been seen: in each place there is what the same calls leave there otherwise.
    expect(places.answers).toContain('volume "main/pvc-unknown" does not exist');
    expect(places.metrics).toMatch(/method_name="\/csi\.v1\.Node\/NodePublishVolume",grpc_status_code="Internal"/);
    expect(places.records).toContain('"requestedName": "pvc-1"');
    expect(places.children).toMatch(/\/bin\/mount .*bind,nosuid.*pod-free/);
    for (const method of ['Controller/CreateVolume', 'Node/NodeStageVolume', 'Node/NodePublishVolume']) {
      const [, rpc = ''] = method.split('/');
      const lines = logLines(driver).filter((line) => line.method === `/csi.v1.${method}`);
      const calls = attemptsOf('', '').filter((attempt) => attempt.rpc === rpc).length;
      expect([method, lines.length >= calls]).toEqual([method, true]);
      expect(new Set(lines.map(({ level }) => level))).toContain('warn');
    }
    expect(logLines(driver).some(({ err }) => JSON.stringify(err ?? '').includes('bad option'))).toBe(true);
    expect(Object.keys(places).filter((place) => places[place]?.includes(CANARY))).toEqual([]);
    expect(wrong).toEqual([]);
  });

  it.for([
    `password=${CANARY}`,
    `credentials=${CANARY}`,
    `sec=krb5,password=${CANARY}`,
    `nosuid,password2=${CANARY},ro`,
    `ro\npassword=${CANARY}`,
    `username=u%${CANARY}`,
    `password:${CANARY}`,
    `password ${CANARY}`,
    `--password ${CANARY}`,
    `//user:${CANARY}@server/share`,
  ])('in the mount option %j is not shown', async (flag, { expect }) => {
    const capability = mountCapability('SINGLE_NODE_WRITER', [flag]);
    const outcomes = [
      await outcomeOf(send.CreateVolume({ volume_capabilities: [capability] })),
      await outcomeOf(send.GetCapacity({ volume_capabilities: [capability] })),
      await outcomeOf(send.NodeStageVolume({ volume_capability: capability })),
      await outcomeOf(send.NodePublishVolume({ volume_capability: capability })),
    ];
    expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set(['INVALID_ARGUMENT']));
    const shown = [...outcomes.map(({ details }) => details), driver.output()].filter((text) => text.includes(CANARY));
    expect(shown.map((text) => text.slice(0, 300))).toEqual([]);
  });

  /** The mount itself fails, whatever was checked before: the pool may not be bound. */
  const publishUnbindable = async () => {
    await run('mount', ['--make-unbindable', driver.root]);
    const fields = {
      secrets: SECRETS,
      volume_context: { pool: 'main', directory: 'pvc-1', ...contextOf('NodePublishVolume') },
    };
    const volume_capability = mountCapability('SINGLE_NODE_WRITER', ['nosuid']);
    const outcome = await outcomeOf(send.NodePublishVolume({ ...fields, volume_capability }));
    await run('mount', ['--make-private', driver.root]);
    await send.NodeUnpublishVolume({});
    return outcome;
  };

  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${driver.httpPort}${path}`)).text();
});

/** Every RPC that takes secrets, or what may be one, along every way on which it can fail. */
const attemptsOf = (kubeletDir: string, readOnly: string): readonly Attempt[] => {
  const unknown = { volume_id: 'main/pvc-unknown' };
  const block = { access_mode: { mode: 'SINGLE_NODE_WRITER' }, block: {} };
  const huge = { capacity_range: { required_bytes: 100 * GIB } };
  const low = { capacity_range: { limit_bytes: 1 } };
  const at = (path: string) => join(kubeletDir, path);
  const to = (rpc: Rpc, code: string, ...several: readonly Fields[]) =>
    several.map((fields) => ({ rpc, fields, code }));
  return [
    ...to('CreateVolume', 'OK', { name: 'pvc-made', secrets: SECRETS }),
    ...to('CreateVolume', 'ALREADY_EXISTS', { name: 'pvc-1', parameters: { mode: '0700' } }),
    ...to('CreateVolume', 'RESOURCE_EXHAUSTED', huge, {
      accessibility_requirements: { requisite: [{ segments: { a: 'b' } }] },
    }),
    ...to('CreateVolume', 'OUT_OF_RANGE', { capacity_range: { required_bytes: -1 } }),
    ...to(
      'CreateVolume',
      'FAILED_PRECONDITION',
      { name: 'foreign', parameters: { directory: '{volume}' } },
      { name: 'link', parameters: { directory: '{volume}' } },
    ),
    ...to('CreateVolume', 'INVALID_ARGUMENT', { name: '' }, { volume_capabilities: [block] }),
    ...to(
      'CreateVolume',
      'INVALID_ARGUMENT',
      { parameters: { password: CANARY } },
      { mutable_parameters: { token: CANARY } },
    ),
    ...to('GetCapacity', 'OK', { parameters: { password: CANARY } }),
    ...to('DeleteVolume', 'OK', { volume_id: 'main/pvc-made' }, unknown, { volume_id: 'not ours' }),
    ...to('DeleteVolume', 'INVALID_ARGUMENT', { volume_id: '' }),
    ...to('DeleteVolume', 'NOT_FOUND', { volume_id: 'other/pvc-1' }),
    ...to('ValidateVolumeCapabilities', 'OK', { volume_context: { pool: 'main', directory: 'pvc-1' } }),
    ...to('ValidateVolumeCapabilities', 'NOT_FOUND', unknown),
    ...to('ValidateVolumeCapabilities', 'INVALID_ARGUMENT', { volume_capabilities: [] }),
    ...to('ControllerExpandVolume', 'OK', {}),
    ...to('ControllerExpandVolume', 'NOT_FOUND', unknown),
    ...to('ControllerExpandVolume', 'OUT_OF_RANGE', low),
    ...to('ControllerExpandVolume', 'RESOURCE_EXHAUSTED', huge),
    ...to('ControllerModifyVolume', 'OK', { mutable_parameters: { mode: '0750' } }),
    ...to('ControllerModifyVolume', 'NOT_FOUND', unknown),
    ...to('ControllerModifyVolume', 'INVALID_ARGUMENT', { mutable_parameters: { password: CANARY } }),
    ...['ControllerPublishVolume', 'ControllerUnpublishVolume'].flatMap((rpc) => to(rpc as Rpc, 'UNIMPLEMENTED', {})),
    ...to('CreateSnapshot', 'OK', {}),
    ...to('CreateSnapshot', 'NOT_FOUND', { name: 'snapshot-2', source_volume_id: 'main/pvc-unknown' }),
    ...to('CreateSnapshot', 'INVALID_ARGUMENT', { parameters: { password: CANARY } }),
    ...to('ListSnapshots', 'OK', {}),
    ...to('DeleteSnapshot', 'OK', {}),
    ...to('GetSnapshot', 'NOT_FOUND', {}),
    ...to('NodeStageVolume', 'OK', {}),
    ...to('NodeUnstageVolume', 'OK', {}),
    ...to('NodeStageVolume', 'NOT_FOUND', {
      volume_id: 'static',
      volume_context: { pool: 'main', directory: 'gone', [TOKEN_KEY]: TOKENS },
    }),
    ...to('NodeStageVolume', 'FAILED_PRECONDITION', {
      volume_id: 'static',
      volume_context: { directory: 'link', [TOKEN_KEY]: TOKENS },
    }),
    ...to('NodeStageVolume', 'FAILED_PRECONDITION', { staging_target_path: join(readOnly, 'x') }),
    ...to('NodeStageVolume', 'FAILED_PRECONDITION', { staging_target_path: at('no/parent') }),
    ...to('NodeStageVolume', 'FAILED_PRECONDITION', { staging_target_path: at('file') }),
    ...to('NodeStageVolume', 'ALREADY_EXISTS', { staging_target_path: at('other') }),
    ...to('NodeStageVolume', 'INVALID_ARGUMENT', { staging_target_path: '/etc' }, { volume_capability: block }),
    ...to('NodeStageVolume', 'INVALID_ARGUMENT', { volume_context: { directory: 'pvc-1', password: CANARY } }),
    ...to('NodeStageVolume', 'INVALID_ARGUMENT', {
      volume_context: { directory: 'pvc-1', 'serviceAccount.tokens': TOKENS },
    }),
    ...to('NodePublishVolume', 'OK', {}),
    ...to('NodePublishVolume', 'ALREADY_EXISTS', { readonly: true }),
    ...to('NodeUnpublishVolume', 'OK', {}),
    ...to(
      'NodePublishVolume',
      'FAILED_PRECONDITION',
      { target_path: join(readOnly, 'x') },
      { target_path: at('no/parent') },
    ),
    ...to('NodePublishVolume', 'FAILED_PRECONDITION', { target_path: at('file') }),
    ...to('NodePublishVolume', 'ALREADY_EXISTS', { target_path: at('other') }),
    ...to('NodePublishVolume', 'INVALID_ARGUMENT', { target_path: '../x' }, { volume_capability: block }),
    ...to('NodeExpandVolume', 'OK', {}),
    ...to('NodeExpandVolume', 'NOT_FOUND', unknown),
    ...to('NodeExpandVolume', 'OUT_OF_RANGE', low),
  ];
};

const TOKEN_KEY = 'csi.storage.k8s.io/serviceAccount.tokens';

/** What the kubelet adds for a driver that asks for tokens. */
const contextOf = (rpc: Rpc): Record<string, string> =>
  rpc.startsWith('Node') ? { [TOKEN_KEY]: TOKENS, 'csi.storage.k8s.io/pod.name': 'pod-1' } : {};

const logLines = (driver: TestDriver): readonly Record<string, unknown>[] =>
  driver
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

/** Names and contents of all files below a folder. */
const textBelow = async (folder: string): Promise<string> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return [...entries.map(({ name }) => name), ...texts].join('\n');
};
