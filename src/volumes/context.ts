import type { Copier } from '../copies/copier.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import type { Locks } from '../index/locks.ts';
import type { Owners } from '../index/owners.ts';
import type { PoolIndexes } from '../index/pool-index.ts';
import type { Entry } from '../pools/identity.ts';
import type { MountOptionKind } from '../requests/mount-options.ts';
import type { ReadMounts } from '../system/mountinfo.ts';
import type { Step } from '../system/step.ts';

/** Where volumes of a driver can be reached from: one node, or everywhere (undefined). */
export interface Topology {
  readonly key: string;
  readonly node: string;
}

/** What every operation works with. */
export interface Context extends PoolIndexes {
  readonly locks: Locks;
  readonly purger: Waker;
  readonly auditor: Problems;
  readonly copier: Copier;
  readonly owners: Owners;
  /** How this process opens the roots of its pools. */
  readonly entry: Entry;
  readonly topology: Topology | undefined;
  readonly readMounts: ReadMounts;
  /** What mount options any of the pools allows. */
  readonly mountOptionKind: MountOptionKind;
  readonly step: Step;
}

/** Empties the trash of a pool in the background. */
export interface Waker {
  readonly wake: (pool: string) => void;
}

/** Finds what does not count against the size of its volume. */
export interface Problems {
  /** What was found in a volume when it was last looked at; undefined where nothing was. */
  readonly problemOf: (record: Pick<VolumeRecord, 'uid'>) => string | undefined;
}

/** A call as the rules see it: who gives up when. */
export interface Call {
  readonly signal: AbortSignal;
}
