import { access, constants } from 'node:fs/promises';
import { type Config, loadConfig } from '../config/config.ts';
import { ConfigError, messageOf } from '../config/error.ts';
import { isShared } from '../config/pool.ts';
import { formatBytes } from '../domain/capacity.ts';
import { DriverError, isCausedBy } from '../errors/errors.ts';
import { readRecords } from '../index/enter.ts';
import type { PoolIndex } from '../index/pool-index.ts';
import { adviceFor, exposureOf, type Facts, type SizeRule } from '../pools/facts.ts';
import { NEW_POOL } from '../store/layout.ts';
import { explain, withPools } from './pools.ts';

/** Prints what each pool is and what is wrong; 1 when anything is. What a root can do is tried in the driver's own folder. */
export const runCheck = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> => {
  const lines: string[] = [];
  let wrong = 0;
  const say = (line: string): number => lines.push(line);
  const complain = (line: string): void => {
    wrong += 1;
    say(line);
  };
  try {
    const config = await loadConfig(args, env);
    say(`config  ${config.options.config}: ok`);
    await checkTools(config, complain);
    await withPools(config, async ({ indexes }) => {
      for (const index of indexes.values()) await checkPool(index, say, complain);
    });
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    for (const problem of thrown.problems) complain(`config  WRONG  ${problem}`);
  }
  say(wrong === 0 ? 'all is well' : `${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return wrong === 0 ? 0 : 1;
};

/** What is run, and the Debian package that has it. */
const TOOLS = {
  '/bin/mount': 'mount',
  '/bin/umount': 'mount',
  '/bin/rm': 'coreutils',
  '/bin/cp': 'coreutils',
  '/bin/sync': 'coreutils',
  '/usr/bin/du': 'coreutils',
  '/usr/bin/nice': 'coreutils',
  '/usr/bin/find': 'findutils',
  '/usr/bin/ionice': 'util-linux',
  '/usr/bin/setpriv': 'util-linux',
  '/usr/bin/unshare': 'util-linux',
} as const;
const SHARED_TOOLS = { '/usr/bin/stat': 'coreutils', '/usr/bin/prlimit': 'util-linux' } as const;
const NFS_TOOLS = { '/sbin/mount.nfs': 'nfs-common' } as const;

const checkTools = async ({ pools }: Config, complain: (line: string) => void): Promise<void> => {
  const all = Object.values(pools);
  const needed = {
    ...TOOLS,
    ...(all.some(isShared) ? SHARED_TOOLS : {}),
    ...(all.some(({ nfs }) => nfs !== undefined) ? NFS_TOOLS : {}),
  };
  for (const [tool, packaged] of Object.entries(needed)) {
    await access(tool, constants.X_OK).catch(() => complain(`tools   WRONG  ${tool} is missing: install ${packaged}`));
  }
  if (process.getuid?.() !== 0) complain('user    WRONG  not root: volumes cannot be mounted or given an owner');
};

const checkPool = async (
  index: PoolIndex,
  say: (line: string) => void,
  complain: (line: string) => void,
): Promise<void> => {
  const { pool, volumes, snapshots } = index;
  const label = `pool    ${pool.name} (${pool.root.path})`;
  try {
    const id = await pool.open({ mayCreate: false, remembers: false });
    const facts = await pool.findOut();
    const unreadable = await readRecords(index);
    say(`${label}: ${describeFacts(facts)}`);
    say(`        id: ${id ?? 'none yet: the driver gives it one when it starts (layout 1)'}`);
    say(`        sizes: ${describeSizes(facts, pool.sizes)}`);
    say(
      `        volumes: ${volumes.list().length}, asking for ${formatBytes(volumes.allocatedBytes())}${describeBudget(pool.budgetBytes)}`,
    );
    say(`        snapshots: ${snapshots.list().length}`);
    const exposure = exposureOf(facts, pool.reach);
    if (exposure !== undefined) say(`        WARNING  ${exposure} ${pool.root.path}`);
    if (facts.readOnly) complain('        WRONG  the file system is mounted read-only');
    for (const { reason } of unreadable) complain(`        WRONG  ${reason}`);
  } catch (thrown) {
    if (isCausedBy(thrown, NEW_POOL))
      say(`${label}: new: ${messageOf(thrown)}. If it should have volumes, mount its disk`);
    else complain(`${label}: WRONG  ${explain(DriverError.from(thrown))}`);
  }
};

const describeFacts = ({ fileSystem, device, subvolumes, reflink, space }: Facts): string =>
  [
    `${fileSystem} on ${device}`,
    `${formatBytes(space.availableBytes)} of ${formatBytes(space.totalBytes)} free`,
    ...(subvolumes ? ['volumes are subvolumes'] : []),
    reflink ? 'copies share blocks (reflink)' : 'copies are full copies (no reflink)',
  ].join(', ');

const describeSizes = (facts: Facts, rule: SizeRule): string => {
  if (rule === 'budget' || rule === 'none') return `not enforced, as configured (sizes: ${rule})`;
  if (facts.sizes === 'none') return `not enforced: ${adviceFor(facts)}`;
  return `enforced, by ${facts.sizes === 'qgroup' ? 'btrfs quota groups' : 'project quotas'}`;
};

const describeBudget = (bytes: number | undefined): string =>
  bytes === undefined ? ', no capacity set' : ` of ${formatBytes(bytes)}`;
