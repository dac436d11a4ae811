import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fingerprint, plantCanary } from '../support/canary.ts';
import { mountsBelow, type TestDriver } from '../support/driver.ts';
import { type HostileCase, hostileCases } from '../support/hostile-cases.ts';
import { runHostile } from '../support/hostile-run.ts';
import { type Subject, validRequests } from '../support/requests.ts';
import { createVolume, kubeletPaths, outcomeOf, publish, stage, unpublish, unstage } from '../support/volume.ts';
import { A, clear } from './ground.ts';
import { endShared, type NfsSettings, PATIENT, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Hostile calls to a driver whose pool is an export; what must not be touched lies on the server and on the node. */
export const hostileTests: Tests = {
  'hostile calls get a clear answer, and nothing else happens': () => withSubject({}, askEverything),
  'static PVs lead nowhere but below the root': () => withSubject({}, leadAstray),
  'static PVs lead nowhere but below the root, NFSv3': () =>
    withSubject({ mountOptions: ['nfsvers=3', 'nolock'] }, leadAstray),
};

type Work = (driver: TestDriver, subject: Subject) => Promise<void>;

const askEverything: Work = async (driver, subject) => {
  const cases = hostileCases(
    driver.kubeletDir,
    [join(driver.home, 'canary'), A.directory],
    'FAILED_PRECONDITION',
  ).flatMap(onNfs);
  const { table, wrong } = await runHostile(driver, subject, cases);
  console.info(table.replace(/^/gm, '        '));
  assert.deepEqual(wrong, []);
};

/** The guest's processor is slow: one of seven is sent. A shared volume is at home anywhere, and NFS knows Kerberos. */
const onNfs = (one: HostileCase, index: number): readonly HostileCase[] => {
  if (index % 7 > 0 || JSON.stringify(one.fields).includes('sec=krb5')) return [];
  return [{ ...one, codes: 'accessibility_requirements' in one.fields ? ['OK'] : one.codes }];
};

/** Attributes of a PV that somebody has written by hand, and what staging it is answered with. */
const ATTRIBUTES: readonly (readonly [code: string, attributes: Readonly<Record<string, string>>])[] = [
  ['INVALID_ARGUMENT', { server: '10.77.2.2', directory: 'pvc-1' }],
  ['INVALID_ARGUMENT', { share: '/', directory: 'pvc-1' }],
  ['INVALID_ARGUMENT', { export: '/other', directory: 'pvc-1' }],
  ['INVALID_ARGUMENT', { source: '10.77.2.2:/export', directory: 'pvc-1' }],
  ['INVALID_ARGUMENT', { mountOptions: 'sec=none', directory: 'pvc-1' }],
  ['INVALID_ARGUMENT', { pool: '10.77.2.2:/export', directory: 'pvc-1' }],
  ['INVALID_ARGUMENT', { directory: '/export/pvc-1' }],
  ['INVALID_ARGUMENT', { directory: '/' }],
  ['INVALID_ARGUMENT', { directory: '../other' }],
  ['INVALID_ARGUMENT', { directory: 'pvc-1/../../other' }],
  ['INVALID_ARGUMENT', { directory: '.csi-subdir/volumes' }],
  ['INVALID_ARGUMENT', { directory: '' }],
  ['INVALID_ARGUMENT', {}],
  ['FAILED_PRECONDITION', { directory: 'to-foreign' }],
  ['FAILED_PRECONDITION', { directory: 'to-foreign/inner' }],
  ['FAILED_PRECONDITION', { directory: 'pvc-1/planted' }],
  ['FAILED_PRECONDITION', { directory: 'pvc-1/up/foreign' }],
  ['FAILED_PRECONDITION', { directory: 'to-other-export' }],
  ['FAILED_PRECONDITION', { directory: 'to-records' }],
  ['FAILED_PRECONDITION', { directory: 'a-file' }],
  ['FAILED_PRECONDITION', { directory: 'to-nowhere' }],
  ['FAILED_PRECONDITION', { directory: 'to-node' }],
  ['NOT_FOUND', { directory: 'not-there' }],
];

const leadAstray: Work = async (driver, subject) => {
  const links = {
    'to-foreign': 'foreign',
    'pvc-1/planted': '../foreign',
    'pvc-1/up': '..',
    'to-other-export': '/other',
    'to-records': '.csi-subdir/volumes',
    'to-nowhere': 'nothing-here',
    'to-node': join(driver.home, 'canary'),
  };
  for (const [name, to] of Object.entries(links)) await symlink(to, join(A.directory, name));
  await writeFile(join(A.directory, 'a-file'), 'x');
  const { NodeStageVolume } = validRequests(driver, subject);
  const answers: string[] = [];
  for (const [code, attributes] of ATTRIBUTES) {
    const outcome = await outcomeOf(NodeStageVolume({ volume_id: 'static', volume_context: attributes }));
    const isRight = outcome.code === code;
    if (!isRight) answers.push(`${JSON.stringify(attributes)}: ${outcome.code}, not ${code}: ${outcome.details}`);
  }
  assert.deepEqual(answers, []);
};

/** A driver with one volume that is in use, and canaries that nobody may touch beside it. */
const withSubject = async (settings: NfsSettings, work: Work): Promise<void> => {
  const driver = await startShared({ main: poolOn(A, settings) }, { flags: PATIENT });
  const canaries = [join(driver.home, 'canary'), join(A.directory, 'foreign'), join(driver.kubeletDir, 'pods/sibling')];
  for (const folder of canaries) await plantCanary(folder);
  await mkdir(join(driver.kubeletDir, 'hostile'));
  const volume = await createVolume(driver, 'pvc-1');
  const { staging, target } = await kubeletPaths(driver, 'pvc-1');
  await stage(driver, volume, staging);
  await publish(driver, volume, { staging, target });
  await writeFile(join(target, 'precious'), 'x');
  const free = await kubeletPaths(driver, 'free', 'pod-free');
  const before = await fingerprint(...canaries);
  const mounts = await mountsBelow(driver.home);
  try {
    await work(
      { ...driver, root: A.directory },
      { volume, staging, mounted: target, freeStaging: free.staging, freeTarget: free.target },
    );
    assert.deepEqual(await fingerprint(...canaries), before);
    assert.deepEqual(await mountsBelow(driver.home), mounts);
    assert.equal(await readFile(join(target, 'precious'), 'utf8'), 'x');
    const { entries } = await driver.controller.ListVolumes({});
    assert.deepEqual(
      entries.map((entry) => entry.volume?.volume_id),
      ['main/pvc-1'],
    );
  } finally {
    await unpublish(driver, volume.volume_id, target);
    await unstage(driver, volume.volume_id, staging);
    await endShared(driver);
    await clear(A);
  }
};
