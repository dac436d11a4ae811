import type { Config, PoolConfig } from './config.ts';
import { createExec, type ExecObserver } from './host/exec.ts';
import { createMounter } from './host/mounter.ts';
import { createReadMounts } from './host/mountinfo.ts';
import { createRoot, type RootTools } from './host/root.ts';
import type { Step } from './host/step.ts';
import type { Log } from './log.ts';
import { createHostPathPool } from './pools/hostpath.ts';
import type { Shelf } from './volumes/context.ts';
import { createLedger } from './volumes/ledger.ts';
import { createLocks } from './volumes/locks.ts';
import type { NodeContext } from './volumes/node-context.ts';
import { createPurger } from './volumes/purger.ts';

/** The rooms below the protocol, put together from a configuration. Touches nothing yet. */
export const assemble = ({ options, pools }: Config, log: Log, children: ExecObserver, step: Step): NodeContext => {
  const exec = createExec(children);
  const readMounts = createReadMounts();
  const mounter = createMounter(exec, readMounts);
  const shelves = new Map(
    Object.entries(pools).map(([name, config]) => [
      name,
      createShelf(name, config, { exec, mounter, step }, readMounts),
    ]),
  );
  const roots = new Map([...shelves].map(([name, { pool }]) => [name, pool.root]));
  return {
    shelves,
    readMounts,
    mounter,
    step,
    locks: createLocks(),
    purger: createPurger(roots, log),
    topology: { key: `topology.${options.driverName}/node`, node: options.nodeId },
  };
};

const createShelf = (
  name: string,
  config: PoolConfig,
  tools: RootTools,
  readMounts: NodeContext['readMounts'],
): Shelf => {
  const { hostPath, capacity, directory, existing, mode, uid, gid, onDelete } = config;
  const root = createRoot(hostPath.path, tools);
  const defaults = { template: directory, existing, settings: { mode, uid, gid, onDelete } };
  const pool = createHostPathPool({ name, budgetBytes: capacity, defaults }, root, readMounts);
  return { pool, ledger: createLedger(root.volumes, capacity) };
};
