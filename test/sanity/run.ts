import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { canBtrfs, mountBtrfs } from '../support/btrfs.ts';
import { type DriverOptions, isRoot, makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { canMount, mountImage } from '../support/loop.ts';

/**
 * csi-sanity against the driver as it ships, with real mounts: every case, none left out by us. Cases that csi-sanity
 * itself leaves out, because we do not claim what they test, are printed by name.
 */
const main = async (): Promise<number> => {
  if (!isRoot) {
    console.info('not root, so nothing can be mounted: the unit tests ran, the driver tests and csi-sanity did not');
    return 0;
  }
  const binary = execFileSync(join(import.meta.dirname, 'build'), { encoding: 'utf8' }).trim();
  const failed =
    (await runLocal(binary)) + (await runShared(binary)) + (await runXfs(binary)) + (await runBtrfs(binary));
  return failed === 0 ? 0 : 1;
};

/** On ext4, three times against one process: what a run leaves behind would fail the next. */
const runLocal = async (binary: string): Promise<number> => {
  const home = await makeHome();
  const unmount = await mountImage('ext4', join(home, 'root'), 512);
  const work = async (driver: TestDriver): Promise<number> => {
    let failed = await run({ title: 'ext4', binary, driver, unclaimed: LOCAL });
    failed += await run({ title: 'ext4, again', binary, driver, unclaimed: LOCAL });
    const flags = await allParameters(driver);
    return failed + (await run({ title: 'ext4, all parameters', binary, driver, unclaimed: LOCAL, flags }));
  };
  return withDriver({ home, pool: { capacity: '200Gi' } }, work, unmount);
};

/** A path that every node shares: the same rules, with the file work done by a worker. */
const runShared = (binary: string): Promise<number> =>
  withDriver({ shared: true }, async (driver) => {
    while (!driver.output().includes('"msg":"pool opened"')) await new Promise((next) => setTimeout(next, 20));
    return run({ title: 'shared path', binary, driver, unclaimed: SHARED });
  });

/** Copies are reflinks there. */
const runXfs = async (binary: string): Promise<number> => {
  if (!canMount('xfs')) {
    console.info('csi-sanity (xfs): not run, neither the kernel nor xfsprogs may be missing');
    return 0;
  }
  const home = await makeHome();
  const unmount = await mountImage('xfs', join(home, 'root'), 512);
  return withDriver(
    { home },
    (driver) => run({ title: 'xfs, copies by reflink', binary, driver, unclaimed: LOCAL }),
    unmount,
  );
};

/** Volumes are subvolumes there, and held to their sizes. */
const runBtrfs = async (binary: string): Promise<number> => {
  if (!canBtrfs) {
    console.info('csi-sanity (btrfs): not run, neither the kernel nor btrfs-progs may be missing');
    return 0;
  }
  const home = await makeHome();
  const disk = await mountBtrfs(home);
  return withDriver(
    { home, pool: { sizes: 'enforce' } },
    (driver) => run({ title: 'btrfs, sizes enforced', binary, driver, unclaimed: LOCAL }),
    disk.unmount,
  );
};

const withDriver = async (
  options: DriverOptions,
  work: (driver: TestDriver) => Promise<number>,
  clean: () => Promise<void> = async () => {},
): Promise<number> => {
  const driver = await startDriver(options);
  try {
    return (await work(driver)) + (await checkNothingLeft(driver));
  } finally {
    await driver.stop();
    await clean();
    await removeHome(driver.home);
  }
};

/** What no driver of ours claims yet; anything else that is skipped is a mistake of ours. */
const UNCLAIMED = ['ControllerPublishVolume', 'ControllerUnpublishVolume', 'volume lifecycle'];
/** Who expands follows where the volumes can be reached from (docs/adr/0004). */
const LOCAL = [...UNCLAIMED, 'ExpandVolume [Controller Server]'];
const SHARED = [...UNCLAIMED, 'NodeExpandVolume'];

interface Run {
  readonly title: string;
  readonly binary: string;
  readonly driver: TestDriver;
  readonly unclaimed: readonly string[];
  readonly flags?: readonly string[];
}

interface Spec {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly LeafNodeType: string;
  readonly State: string;
  readonly Failure?: { readonly Message: string };
}

const allParameters = async ({ home }: TestDriver): Promise<readonly string[]> => {
  const [volume, mutable] = [join(home, 'parameters.yaml'), join(home, 'mutable.yaml')];
  await writeFile(
    volume,
    'pool: main\ndirectory: "{namespace}/{claim}-{volume}"\nmode: "0750"\nuid: "1000"\ngid: "1000"\nonDelete: delete\nexisting: fail\n',
  );
  await writeFile(mutable, 'onDelete: delete\nmode: "0770"\nuid: "1001"\ngid: "1001"\n');
  return [
    `--csi.testvolumeparameters=${volume}`,
    `--csi.testvolumemutableparameters=${mutable}`,
    `--csi.testvolumesize=${1024 ** 3}`,
    `--csi.testvolumeexpandsize=${2 * 1024 ** 3}`,
  ];
};

/** One whole run; answers the number of failed cases. */
const run = async ({ title, binary, driver, unclaimed, flags = [] }: Run): Promise<number> => {
  const report = join(driver.home, 'report.json');
  const { stdout } = await execa({ reject: false, all: false })(binary, [
    `--csi.endpoint=${driver.socket}`,
    `--csi.mountdir=${join(driver.kubeletDir, 'mount')}`,
    `--csi.stagingdir=${join(driver.kubeletDir, 'staging')}`,
    `--ginkgo.json-report=${report}`,
    '--ginkgo.no-color',
    ...flags,
  ]);
  const [suite] = JSON.parse(await readFile(report, 'utf8')) as readonly { readonly SpecReports: readonly Spec[] }[];
  const specs = suite?.SpecReports.filter(({ LeafNodeType }) => LeafNodeType === 'It') ?? [];
  const named = (state: string) => specs.filter(({ State }) => State === state).map(nameSpec);
  const bad = specs.filter(({ State }) => !['passed', 'skipped', 'pending'].includes(State));
  const unexpected = named('skipped').filter((name) => !unclaimed.some((part) => name.includes(part)));
  for (const name of unexpected) console.error(`FAILED  skipped, but we claim it: ${name}`);
  for (const spec of bad) console.error(`FAILED  ${nameSpec(spec)}\n        ${spec.Failure?.Message ?? ''}`);
  if (specs.length === 0) console.error(stdout);
  if (!title.includes(',')) printSkipped(named('skipped'), named('pending'));
  console.info(
    `csi-sanity (${title}): ${named('passed').length} passed, ${bad.length} failed, ${named('skipped').length} skipped`,
  );
  return specs.length === 0 ? 1 : bad.length + unexpected.length;
};

const nameSpec = ({ ContainerHierarchyTexts, LeafNodeText }: Spec): string =>
  [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' ').replace(/\s+/g, ' ');

const printSkipped = (skipped: readonly string[], pending: readonly string[]): void => {
  for (const name of [...skipped].sort()) console.info(`not claimed by the driver: ${name}`);
  for (const name of pending) console.info(`pending by csi-sanity's authors: ${name}`);
};

const checkNothingLeft = async ({ root }: TestDriver): Promise<number> => {
  const own = await Promise.all(
    ['volumes', 'snapshots', 'data', 'copies'].map((folder) => readdir(join(root, '.csi-subdir', folder))),
  );
  const left = [
    ...(await readdir(root)).filter((entry) => entry !== '.csi-subdir' && entry !== 'lost+found'),
    ...own.flat(),
  ];
  for (const entry of left) console.error(`FAILED  left behind: ${entry}`);
  return left.length;
};

process.exit(await main());
