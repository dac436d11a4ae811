import { access, constants } from 'node:fs/promises';
import { assemble } from '../assemble.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { formatBytes } from '../domain/capacity.ts';
import { DriverError } from '../domain/errors.ts';
import { noObserver } from '../host/exec.ts';
import { noStep } from '../host/step.ts';
import { createLog } from '../log.ts';
import { adviceFor, type Facts } from '../pools/facts.ts';
import type { SizeRule } from '../pools/pool.ts';
import type { Shelf } from '../volumes/context.ts';

/** Prints what each pool is and what is wrong; 1 when anything is. Changes nothing but the driver's own folder. */
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
    await checkTools(complain);
    for (const shelf of shelvesOf(config)) await checkPool(shelf, say, complain);
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    for (const problem of thrown.problems) complain(`config  WRONG  ${problem}`);
  }
  say(wrong === 0 ? 'all is well' : `${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return wrong === 0 ? 0 : 1;
};

const shelvesOf = (config: Config): readonly Shelf[] => {
  return [...assemble(config, createLog('silent'), noObserver, noStep).shelves.values()];
};

const TOOLS = [
  ...['/bin/mount', '/bin/umount', '/bin/rm', '/usr/bin/find', '/bin/cp', '/bin/sync', '/usr/bin/du', '/usr/bin/nice'],
  ...['/usr/bin/setpriv', '/usr/bin/unshare', '/usr/bin/ionice'],
];

const checkTools = async (complain: (line: string) => void): Promise<void> => {
  for (const tool of TOOLS) {
    await access(tool, constants.X_OK).catch(() =>
      complain(`tools   WRONG  ${tool} is missing: install util-linux, coreutils and findutils`),
    );
  }
  if (process.getuid?.() !== 0) complain('user    WRONG  not root: volumes cannot be mounted or given an owner');
};

const checkPool = async (
  { pool, ledger, snapshots }: Shelf,
  say: (line: string) => void,
  complain: (line: string) => void,
): Promise<void> => {
  const label = `pool    ${pool.name} (${pool.root.path})`;
  try {
    await pool.root.prepare();
    const facts = await pool.findOut();
    const listings = [await ledger.load(), await snapshots.load()] as const;
    say(`${label}: ${describeFacts(facts)}`);
    say(`        sizes: ${describeSizes(facts, pool.sizes)}`);
    say(
      `        volumes: ${ledger.list().length}, asking for ${formatBytes(ledger.allocatedBytes())}${describeBudget(pool.budgetBytes)}`,
    );
    say(`        snapshots: ${snapshots.list().length}`);
    if (facts.readOnly) complain('        WRONG  the file system is mounted read-only');
    for (const { reason } of listings.flatMap(({ unreadable }) => unreadable)) complain(`        WRONG  ${reason}`);
  } catch (thrown) {
    const error = DriverError.from(thrown);
    const cause = error.kind === 'internal' && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    complain(`${label}: WRONG  ${error.message}${cause}`);
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
