import { createHash } from 'node:crypto';

/** What a CSI volume_id or snapshot_id names: a record `name` in a `pool`. Opaque to everybody but us. */
export interface Handle {
  readonly pool: string;
  readonly name: string;
}

/** A pool is named like a DNS label, so that it fits labels, file names and handles alike. */
export const POOL_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A record's name is also its file name: lower case, so that it is one file on every file system. */
const RECORD_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$/;
const HASHED_NAME = /^(?:volume|snapshot|group)-[0-9a-f]{40}$/;

/** `<pool>/<name>`, at most 63 + 1 + 64 = 128 bytes, the limit of a CSI string. */
export const formatHandle = ({ pool, name }: Handle): string => `${pool}/${name}`;

/** The parts of a handle of ours, or undefined for any other text. */
export const parseHandle = (text: string): Handle | undefined => split(text, '/');

/** `<pool>@<name>`: as long as a volume's handle, and never taken for one. */
export const formatSnapshotHandle = ({ pool, name }: Handle): string => `${pool}@${name}`;

/** The same for a snapshot_id. */
export const parseSnapshotHandle = (text: string): Handle | undefined => split(text, '@');

/** `group:<name>`: a group lies in all pools that its snapshots lie in. */
export const formatGroupHandle = (name: string): string => `${GROUP}${name}`;

/** The name in a group_snapshot_id of ours, or undefined for any other text. */
export const parseGroupHandle = (text: string): string | undefined => {
  const name = text.startsWith(GROUP) ? text.slice(GROUP.length) : '';
  return isRecordName(name) ? name : undefined;
};

const GROUP = 'group:';

const split = (text: string, separator: string): Handle | undefined => {
  const [pool, name, ...rest] = text.split(separator);
  if (pool === undefined || name === undefined || rest.length > 0) return undefined;
  return POOL_NAME.test(pool) && isRecordName(name) ? { pool, name } : undefined;
};

/**
 * The record name for the name that a caller suggests. A plain one (`pvc-…`) is kept; any other is replaced by its
 * hash, so that no text from outside ever becomes a path.
 */
export const nameRecord = (requested: string, kind: 'volume' | 'snapshot' | 'group' = 'volume'): string =>
  isRecordName(requested) && !HASHED_NAME.test(requested)
    ? requested
    : `${kind}-${createHash('sha256').update(requested).digest('hex').slice(0, 40)}`;

export const isRecordName = (text: string): boolean => RECORD_NAME.test(text) && !text.includes('..');
