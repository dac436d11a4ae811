import { join } from 'node:path';
import type { Config } from './config/config.ts';
import { isShared, type PoolConfig } from './config/pool.ts';
import { type Breaker, createBreaker } from './host/breaker.ts';
import { createExec, type ExecObserver } from './host/exec.ts';
import { createMounter } from './host/mounter.ts';
import { createReadMounts } from './host/mountinfo.ts';
import type { RootTools } from './host/root.ts';
import type { Step } from './host/step.ts';
import { createWorker } from './host/worker.ts';
import type { Log } from './log.ts';
import { createHostPathPool, createSharedPathPool, type SharedTools } from './pools/hostpath.ts';
import { createNfsPool } from './pools/nfs.ts';
import type { Pool, PoolSettings } from './pools/pool.ts';
import { createCatalog } from './volumes/catalog.ts';
import { createCopier } from './volumes/copier.ts';
import { createLedger } from './volumes/ledger.ts';
import { createLocks } from './volumes/locks.ts';
import type { NodeContext } from './volumes/node-context.ts';
import { createPurger } from './volumes/purger.ts';

/** The rooms below the protocol, put together from a configuration. Touches nothing yet. */
export const assemble = ({ options, pools }: Config, log: Log, children: ExecObserver, step: Step): NodeContext => {
  const exec = createExec(children);
  const readMounts = createReadMounts();
  const mounter = createMounter(exec, readMounts);
  const tools = {
    exec,
    mounter,
    readMounts,
    step,
    children,
    breakerOf: createBreakers(log),
    mountDir: options.mountDir,
    isOnServer: options.mode !== 'node',
  };
  const shelves = new Map(
    Object.entries(pools).map(([name, config]) => {
      const pool = createPool(name, config, tools);
      const ledger = createLedger(pool.root.volumes, pool.budgetBytes);
      return [name, { pool, ledger, snapshots: createCatalog(pool.root.snapshots) }];
    }),
  );
  const roots = new Map([...shelves].map(([name, { pool }]) => [name, pool.root]));
  const shared = Object.values(pools).some(isShared);
  return {
    shelves,
    readMounts,
    mounter,
    step,
    locks: createLocks(),
    mountOptionKind: Object.values(pools).some(({ nfs }) => nfs !== undefined) ? 'nfs' : 'bind',
    purger: createPurger(roots, log),
    copier: createCopier(log),
    topology: shared ? undefined : { key: `topology.${options.driverName}/node`, node: options.nodeId },
  };
};

interface Tools extends RootTools {
  readonly children: ExecObserver;
  readonly breakerOf: (server: string) => Breaker;
  readonly mountDir: string;
  /** False on a node, which has no exported directory whatever the configuration says of the controller. */
  readonly isOnServer: boolean;
}

const createPool = (name: string, config: PoolConfig, tools: Tools): Pool => {
  const { hostPath, nfs, capacity, sizes, directory, existing, mode, uid, gid, onDelete } = config;
  const settings: PoolSettings = {
    name,
    budgetBytes: capacity,
    sizes,
    defaults: { template: directory, existing, settings: { mode, uid, gid, onDelete } },
  };
  if (nfs !== undefined) {
    const mountPath = join(tools.mountDir, name);
    const { mountOptions } = nfs.controller;
    const localPath = tools.isOnServer ? nfs.controller.localPath : undefined;
    const where = { server: nfs.server, export: nfs.export, mountOptions: nfs.mountOptions, mountPath, localPath };
    const pool = { ...settings, ...where, controllerMountOptions: mountOptions };
    return createNfsPool(pool, { ...tools, ...createSharedTools(nfs.server, [mountPath, 'mounted'], tools) });
  }
  if (hostPath === undefined) throw new Error(`pool ${name} has neither hostPath nor nfs`);
  if (!hostPath.shared) return createHostPathPool(settings, hostPath.path, tools);
  return createSharedPathPool(
    settings,
    hostPath.path,
    createSharedTools(hostPath.path, [hostPath.path], tools),
    tools.readMounts,
  );
};

/** Children that one server may keep busy, and how soon one of them tries a silent server again. */
const SERVER_LIMIT = 16;
const SERVER_RETRY_MS = 3_000;

const createSharedTools = (
  server: string,
  workerArgs: readonly string[],
  { exec, children, breakerOf }: Tools,
): SharedTools => {
  const makeWorker = () => createWorker({ program: process.argv[1] ?? '', args: workerArgs, observer: children });
  return { exec, workers: { quick: makeWorker(), long: makeWorker() }, breaker: breakerOf(server) };
};

/** One breaker per server, however many pools lie on it. */
const createBreakers = (log: Log): Tools['breakerOf'] => {
  const breakers = new Map<string, Breaker>();
  return (server) => {
    const breaker =
      breakers.get(server) ??
      createBreaker({ server, limit: SERVER_LIMIT, retryMs: SERVER_RETRY_MS, changed: tell(server, log) });
    breakers.set(server, breaker);
    return breaker;
  };
};

const tell =
  (server: string, log: Log) =>
  (problem: string | undefined): void =>
    problem === undefined
      ? log.info({ server }, 'server answers again')
      : log.error({ server, problem }, 'server does not answer');
