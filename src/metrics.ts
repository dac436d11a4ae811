import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ExecObserver } from './host/exec.ts';

/** What a pool tells when somebody asks for the metrics. Bytes. */
export interface PoolSample {
  readonly pool: string;
  readonly ready: boolean;
  readonly fileSystem: string;
  readonly budgetBytes: number | undefined;
  readonly allocatedBytes: number;
  readonly totalBytes: number | undefined;
  readonly availableBytes: number | undefined;
  readonly volumes: Readonly<Record<string, number>>;
  readonly unreadableRecords: number;
  readonly purgeBacklog: number;
}

export interface Metrics {
  readonly observeCall: (method: string, code: string, seconds: number) => void;
  readonly children: ExecObserver;
  /** Asks for the samples at every scrape. */
  readonly watchPools: (sample: () => Promise<readonly PoolSample[]>) => void;
  readonly registry: Registry;
}

export const createMetrics = (driverName: string, version: string): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'csi_subdir_build_info',
    help: 'Always 1; the version is a label.',
    labelNames: ['version'],
    registers,
  })
    .labels(version)
    .set(1);
  return {
    registry,
    observeCall: createCallObserver(driverName, registers),
    children: createChildObserver(registers),
    watchPools: (sample) => registerPoolGauges(sample, registers),
  };
};

const createCallObserver = (driverName: string, registers: Registry[]): Metrics['observeCall'] => {
  const seconds = new Histogram({
    name: 'csi_plugin_operations_seconds',
    help: 'Duration of the CSI calls served, named as the sidecars name those they make.',
    labelNames: ['driver_name', 'method_name', 'grpc_status_code'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60],
    registers,
  });
  return (method, code, value) => seconds.labels(driverName, method, code).observe(value);
};

const createChildObserver = (registers: Registry[]): ExecObserver => {
  const running = new Gauge({ name: 'csi_subdir_children_running', help: 'Child processes that run now.', registers });
  const killed = new Counter({
    name: 'csi_subdir_children_killed_total',
    help: 'Child processes killed at their deadline.',
    registers,
  });
  const abandoned = new Counter({
    name: 'csi_subdir_children_abandoned_total',
    help: 'Killed child processes that did not go: they wait for storage that does not answer.',
    registers,
  });
  return {
    started: () => running.inc(),
    ended: () => running.dec(),
    killed: () => killed.inc(),
    abandoned: () => abandoned.inc(),
  };
};

const registerPoolGauges = (sample: () => Promise<readonly PoolSample[]>, registers: Registry[]): void => {
  const gauge = (name: string, help: string, ...labels: string[]) =>
    new Gauge({ name: `csi_subdir_${name}`, help, labelNames: ['pool', ...labels], registers });
  const info = gauge('pool_info', 'Always 1; what the root of the pool is.', 'filesystem');
  const budget = gauge('pool_capacity_bytes', 'Bytes that all volumes together may ask for, where a capacity is set.');
  const allocated = gauge('pool_allocated_bytes', 'Bytes that the volumes have asked for.');
  const total = gauge('pool_filesystem_bytes', 'Size of the file system that holds the pool.');
  const available = gauge('pool_filesystem_available_bytes', 'Bytes left on the file system that holds the pool.');
  const volumes = gauge('volumes', 'Volumes by the state of their record.', 'state');
  const unreadable = gauge('records_unreadable', 'Records that cannot be read; see the log for their names.');
  const backlog = gauge('purge_backlog', 'Deleted volumes whose data is still to be purged.');

  const collect = async (): Promise<void> => {
    for (const one of await sample()) {
      info.labels(one.pool, one.fileSystem).set(1);
      setOrRemove(budget, one.pool, one.budgetBytes);
      allocated.labels(one.pool).set(one.allocatedBytes);
      setOrRemove(total, one.pool, one.totalBytes);
      setOrRemove(available, one.pool, one.availableBytes);
      for (const [state, count] of Object.entries(one.volumes)) volumes.labels(one.pool, state).set(count);
      unreadable.labels(one.pool).set(one.unreadableRecords);
      backlog.labels(one.pool).set(one.purgeBacklog);
      ready.labels(one.pool).set(one.ready ? 1 : 0);
    }
  };
  const ready = new Gauge({
    name: 'csi_subdir_pool_ready',
    help: '1 when the records of the pool could be read.',
    labelNames: ['pool'],
    registers,
    collect,
  });
};

const setOrRemove = (gauge: Gauge, pool: string, value: number | undefined): void => {
  if (value === undefined) gauge.remove(pool);
  else gauge.labels(pool).set(value);
};
