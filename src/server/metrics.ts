import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { UsageLevel } from '../domain/usage-level.ts';
import type { ExecObserver } from '../subprocess/exec.ts';

/** The state of a pool for the metrics; undefined is what is not known, for example while the pool is not open. Bytes. */
export interface PoolSample {
  readonly pool: string;
  readonly ready: boolean;
  readonly answers: boolean;
  readonly fileSystem: string;
  /** What holds new volumes to their sizes. */
  readonly sizes: string;
  readonly budgetBytes: number | undefined;
  readonly allocatedBytes: number | undefined;
  readonly totalBytes: number | undefined;
  readonly availableBytes: number | undefined;
  readonly volumes: Readonly<Record<string, number>> | undefined;
  readonly snapshots: Readonly<Record<string, number>> | undefined;
  /** Volumes that are held to their sizes, by how far they are filled; undefined while nobody can tell. */
  readonly held: Readonly<Record<UsageLevel, number>> | undefined;
  readonly unreadableRecords: number | undefined;
  /** What is left to purge. */
  readonly purge: { readonly entries: number; readonly stuck: number } | undefined;
}

export interface Metrics {
  readonly observeCall: (method: string, code: string, seconds: number) => void;
  readonly subprocesses: ExecObserver;
  readonly setPools: (samples: readonly PoolSample[]) => void;
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
    subprocesses: createSubprocessObserver(registers),
    setPools: createPoolGauges(registers),
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

const createSubprocessObserver = (registers: Registry[]): ExecObserver => {
  const running = new Gauge({
    name: 'csi_subdir_subprocesses_running',
    help: 'Subprocesses that are running.',
    registers,
  });
  const killed = new Counter({
    name: 'csi_subdir_subprocesses_killed_total',
    help: 'Subprocesses killed at their deadline.',
    registers,
  });
  const abandoned = new Counter({
    name: 'csi_subdir_subprocesses_abandoned_total',
    help: 'Killed subprocesses that have not ended: they wait for storage that does not answer.',
    registers,
  });
  return {
    started: () => running.inc(),
    ended: () => running.dec(),
    killed: () => killed.inc(),
    abandoned: () => abandoned.inc(),
  };
};

const createPoolGauges = (registers: Registry[]): Metrics['setPools'] => {
  const gauge = (name: string, help: string, ...labels: string[]) =>
    new Gauge({ name: `csi_subdir_${name}`, help, labelNames: ['pool', ...labels], registers });
  const ready = gauge('pool_ready', '1 when the records of the pool could be read.');
  const answers = gauge('pool_answers', '0 while the storage of the pool does not answer.');
  const info = gauge(
    'pool_info',
    'Always 1; what the root of the pool is, and what enforces the sizes of new volumes.',
    'filesystem',
    'sizes',
  );
  const budget = gauge('pool_capacity_bytes', 'Bytes that all volumes together may ask for, where a capacity is set.');
  const allocated = gauge('pool_allocated_bytes', 'Bytes that the volumes have asked for.');
  const total = gauge('pool_filesystem_bytes', 'Size of the file system that holds the pool.');
  const available = gauge('pool_filesystem_available_bytes', 'Bytes left on the file system that holds the pool.');
  const volumes = gauge('volumes', 'Volumes by the state of their record.', 'state');
  const held = gauge(
    'volumes_enforced',
    'Volumes whose size is enforced, by usage level: has room, nearly full (from 90 %), full (from 99 %).',
    'usage_level',
  );
  const snapshots = gauge('snapshots', 'Snapshots by the state of their record.', 'state');
  const unreadable = gauge('records_unreadable', 'Records that cannot be read; see the log for their names.');
  const backlog = gauge('purge_backlog', 'Deleted volumes and snapshots whose data is still to be removed.');
  const stuck = gauge('purge_stuck', 'Those of them whose data cannot be removed: the log says why.');

  const set = (sample: PoolSample): void => {
    const { pool } = sample;
    ready.labels(pool).set(sample.ready ? 1 : 0);
    answers.labels(pool).set(sample.answers ? 1 : 0);
    info.labels(pool, sample.fileSystem, sample.sizes).set(1);
    setOrRemove(budget, pool, sample.budgetBytes);
    setOrRemove(allocated, pool, sample.allocatedBytes);
    setOrRemove(total, pool, sample.totalBytes);
    setOrRemove(available, pool, sample.availableBytes);
    setEach(volumes, pool, sample.volumes ?? {});
    setEach(snapshots, pool, sample.snapshots ?? {});
    setEach(held, pool, sample.held ?? {});
    setOrRemove(unreadable, pool, sample.unreadableRecords);
    setOrRemove(backlog, pool, sample.purge?.entries);
    setOrRemove(stuck, pool, sample.purge?.stuck);
  };
  return (samples) => {
    for (const changing of [info, volumes, snapshots, held]) changing.reset();
    for (const sample of samples) set(sample);
  };
};

const setEach = (gauge: Gauge, pool: string, counts: Readonly<Record<string, number>>): void => {
  for (const [label, count] of Object.entries(counts)) gauge.labels(pool, label).set(count);
};

const setOrRemove = (gauge: Gauge, pool: string, value: number | undefined): void => {
  if (value === undefined) gauge.remove(pool);
  else gauge.labels(pool).set(value);
};
