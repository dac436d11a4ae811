import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { TestDriver } from '../support/driver.ts';
import { A, B, clear, type Server, variable } from './ground.ts';
import { endShared, type NfsSettings, PATIENT, poolOn, startShared } from './shared-driver.ts';
import type { Tests } from './tests.ts';

/** Every case of csi-sanity, however the controller reaches the export and whatever version is spoken. */
export const sanityTests: Tests = {
  'csi-sanity, NFSv4.2, the controller mounts the export': () => pass({ mountOptions: ['nfsvers=4.2'] }),
  'csi-sanity, NFSv4.2, the controller works in the exported directory, on ext4': () =>
    pass({ mountOptions: ['nfsvers=4.2'], local: true, more: { sizes: 'enforce' } }, B),
  'csi-sanity, NFSv3': () => pass({ mountOptions: ['nfsvers=3', 'nolock'] }),
};

/** What the shared driver does not claim; anything else that is skipped is a mistake of ours. */
const UNCLAIMED = ['ControllerPublishVolume', 'ControllerUnpublishVolume', 'volume lifecycle', 'NodeExpandVolume'];

const pass = async (settings: NfsSettings, server = A): Promise<void> => {
  const driver = await startShared({ main: poolOn(server, settings) }, { flags: PATIENT });
  try {
    const specs = await runSanity(driver);
    const named = (state: string) => specs.filter(({ State }) => State === state).map(nameOf);
    const bad = specs.filter(({ State }) => !['passed', 'skipped', 'pending'].includes(State));
    console.info(`        ${named('passed').length} passed, ${bad.length} failed, ${named('skipped').length} skipped`);
    assert.deepEqual(
      bad.map((spec) => `${nameOf(spec)}: ${spec.Failure?.Message ?? ''}`),
      [],
    );
    assert.deepEqual(
      named('skipped').filter((name) => !UNCLAIMED.some((part) => name.includes(part))),
      [],
      'skipped, but we claim it',
    );
    assert.ok(named('passed').length > 70);
    await checkNothingLeft(server);
  } finally {
    await endShared(driver);
    // What a failed case has left would fail the tests after this one.
    await clear(server);
  }
};

interface Spec {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly LeafNodeType: string;
  readonly State: string;
  readonly Failure?: { readonly Message: string };
}

const runSanity = async (driver: TestDriver): Promise<readonly Spec[]> => {
  const report = join(driver.home, 'report.json');
  const flags = [
    `--csi.endpoint=${driver.socket}`,
    `--csi.mountdir=${join(driver.kubeletDir, 'mount')}`,
    `--csi.stagingdir=${join(driver.kubeletDir, 'staging')}`,
    `--ginkgo.json-report=${report}`,
    '--ginkgo.no-color',
  ];
  const { stdout } = await execa(variable('CSI_SANITY'), flags, { reject: false });
  const text = await readFile(report, 'utf8').catch(() => assert.fail(stdout));
  const [suite] = JSON.parse(text) as readonly { readonly SpecReports: readonly Spec[] }[];
  return suite?.SpecReports.filter(({ LeafNodeType }) => LeafNodeType === 'It') ?? [];
};

const nameOf = ({ ContainerHierarchyTexts, LeafNodeText }: Spec): string =>
  [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' ').replace(/\s+/g, ' ');

const checkNothingLeft = async ({ directory }: Server): Promise<void> => {
  assert.deepEqual(await readdir(join(directory, '.csi-subdir/volumes')), []);
  // lost+found is ext4's own.
  assert.deepEqual(
    (await readdir(directory)).filter((entry) => entry !== '.csi-subdir' && entry !== 'lost+found'),
    [],
  );
};
