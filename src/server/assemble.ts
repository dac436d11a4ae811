import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createAuditor } from '../background/auditor.ts';
import type { BackgroundContext } from '../background/context.ts';
import { createPurger } from '../background/purger.ts';
import type { Config } from '../config/config.ts';
import { isShared, type PoolConfig } from '../config/pool.ts';
import { createCopier } from '../copies/copier.ts';
import { createLocks } from '../index/locks.ts';
import { createOpenness } from '../index/openness.ts';
import { createOwners } from '../index/owners.ts';
import { createRecordIndex } from '../index/record-index.ts';
import { createVolumeIndex } from '../index/volume-index.ts';
import type { NodeContext } from '../node/context.ts';
import { createHostPathPool, createSharedPathPool, type SharedTools } from '../pools/hostpath.ts';
import { createOpenRoot } from '../pools/identity.ts';
import { createNfsPool } from '../pools/nfs.ts';
import type { Pool, PoolSettings } from '../pools/pool.ts';
import type { RootTools } from '../roots/root.ts';
import { createPoolMemory, type PoolMemory } from '../store/pool-memory.ts';
import { createExec, type ExecObserver } from '../subprocess/exec.ts';
import type { Log } from '../system/log.ts';
import { createMounter } from '../system/mounter.ts';
import { createReadMounts } from '../system/mountinfo.ts';
import type { Step } from '../system/step.ts';
import { type Breaker, createBreaker } from '../worker/breaker.ts';
import { createWorker } from '../worker/worker.ts';

/** What the three services and the background work share. */
export type DriverContext = NodeContext & BackgroundContext;

/** The rooms below the protocol, put together from a configuration. Touches nothing yet. */
export const assemble = (
  { options, pools }: Config,
  log: Log,
  subprocesses: ExecObserver,
  step: Step,
): DriverContext => {
  const { deadlineFactor } = options;
  const shared = Object.values(pools).some(isShared);
  // What a silent server holds up is bounded by its breaker, and must not keep others waiting.
  const exec = createExec(subprocesses, { deadlineFactor, ...(shared ? {} : { atOnce: LOCAL_AT_ONCE }) });
  const isSharedNode = shared && options.mode === 'node';
  const readMounts = createReadMounts();
  const mounter = createMounter(exec, readMounts);
  const tools = {
    exec,
    mounter,
    readMounts,
    step,
    subprocesses,
    deadlineFactor,
    breakerOf: createBreakers(log),
    mountDir: options.mountDir,
    isOnServer: options.mode !== 'node',
    isSharedNode,
    memory: createPoolMemory(options.stateDir),
  };
  const indexes = new Map(
    Object.entries(pools).map(([name, config]) => {
      const openness = createOpenness();
      const pool = createPool(name, config, { ...tools, whenChanged: openness.closed });
      const volumes = createVolumeIndex(pool.root.volumes, pool);
      return [name, { pool, volumes, snapshots: createRecordIndex(pool.root.snapshots), openness }];
    }),
  );
  const roots = new Map([...indexes].map(([name, { pool }]) => [name, pool.root]));
  return {
    indexes,
    readMounts,
    mounter,
    step,
    locks: createLocks(),
    mountOptionKind: Object.values(pools).some(({ nfs }) => nfs !== undefined) ? 'nfs' : 'bind',
    purger: createPurger(roots, log),
    auditor: createAuditor(options.auditIntervalMs),
    copier: createCopier(log),
    entry: { mayCreate: !isSharedNode, remembers: true },
    owners: createOwners(randomUUID(), options.takeoverMs),
    topology: shared ? undefined : { key: `topology.${options.driverName}/node`, node: options.nodeId },
  };
};

interface Tools extends RootTools {
  readonly subprocesses: ExecObserver;
  readonly deadlineFactor: number;
  readonly breakerOf: (server: string) => Breaker;
  readonly mountDir: string;
  /** False on a node, which has no exported directory whatever the configuration says of the controller. */
  readonly isOnServer: boolean;
  readonly isSharedNode: boolean;
  readonly memory: PoolMemory;
}

interface PoolTools extends Tools {
  readonly whenChanged: (reason: string) => void;
}

const createPool = (name: string, config: PoolConfig, tools: PoolTools): Pool => {
  const { hostPath, nfs, capacity, sizes, directory, existing, mode, uid, gid, onDelete } = config;
  const { id: pinnedId, requireMount, inlineCapacity } = config;
  const settings: PoolSettings = {
    name,
    openRoot: createOpenRoot({ pool: name, pinnedId, requireMount, closesRoot: !isShared(config) }, tools.memory),
    whenChanged: tools.whenChanged,
    opensOnDemand: tools.isSharedNode,
    budgetBytes: capacity,
    inlineBudgetBytes: inlineCapacity,
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
    createSharedTools(hostPath.path, [hostPath.path, 'present'], tools),
    tools.readMounts,
  );
};

/** More subprocesses only wait for the processors, each with a copy of this process' page tables. */
const LOCAL_AT_ONCE = 16;

/** Children that one server may keep busy, and how soon one of them tries a silent server again. */
const SERVER_LIMIT = 16;
const SERVER_RETRY_MS = 3_000;

const createSharedTools = (
  server: string,
  workerArgs: readonly string[],
  { subprocesses, breakerOf, deadlineFactor }: Tools,
): SharedTools => {
  const exec = createExec(subprocesses, { refusesWhileStuck: true, deadlineFactor });
  const program = process.argv[1] ?? '';
  const args = [...workerArgs, String(deadlineFactor)];
  const makeWorker = () => createWorker({ program, args, observer: subprocesses, deadlineFactor });
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
