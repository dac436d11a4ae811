import { LAYOUT } from './volume.ts';

/** What the root of a pool must be like. Plain data: it goes to workers, too. */
export interface Expectation {
  readonly pool: string;
  readonly known: KnownPool;
  /** Whether a root without an identity becomes a new pool, and one of layout 1 is migrated. */
  readonly mayCreate: boolean;
  /** Whether the root must lie on something that is mounted below `/`. */
  readonly requireMount: boolean;
  /** Whether the root of a new pool is closed to other users of the node, if nothing is in it yet. */
  readonly closesRoot: boolean;
}

/** What is known of a pool from elsewhere than its root. */
export interface KnownPool {
  /** Undefined: nothing, so the pool may be new. */
  readonly id: string | undefined;
  /** Where it is noted: a file, or a key of the configuration. */
  readonly from: string;
}

/** What `.csi-subdir/pool.json` states. */
export type PoolFile = { readonly layout: 1 } | ({ readonly layout: typeof LAYOUT } & PoolIdentity);

export interface PoolIdentity {
  readonly pool: string;
  readonly id: string;
}

export const formatPoolFile = ({ pool, id }: PoolIdentity): string =>
  `${JSON.stringify({ layout: LAYOUT, pool, id })}\n`;

/** Throws an Error that says in words what is wrong. */
export const parsePoolFile = (text: string): PoolFile => {
  const { layout, pool, id } = parseObject(text);
  if (typeof layout !== 'number' || !Number.isInteger(layout) || layout < 1) throw new Error(UNREADABLE);
  if (layout > LAYOUT) throw new Error(`has layout ${layout}, this version knows ${LAYOUT}: use a newer driver`);
  if (layout === 1) return { layout };
  if (typeof pool !== 'string' || typeof id !== 'string' || !POOL_ID.test(id)) throw new Error(UNREADABLE);
  return { layout: LAYOUT, pool, id };
};

export const POOL_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const UNREADABLE = `cannot be read: expected {"layout": ${LAYOUT}, "pool": …, "id": …}`;

const parseObject = (text: string): Readonly<Record<string, unknown>> => {
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new Error(UNREADABLE);
  }
};
