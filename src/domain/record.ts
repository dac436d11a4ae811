import * as z from 'zod';
import { DriverError, quote } from '../errors/errors.ts';
import { isCopyName } from './copy.ts';
import { isRecordName } from './handle.ts';
import { parseDirectory } from './paths.ts';
import type { SnapshotRecord } from './snapshot.ts';
import { REVISION, UID, type Version, versionOfLayout1 } from './version.ts';
import { COMPRESSIONS, type VolumeRecord } from './volume.ts';

/** Reads a record back as strictly as a request: whoever can write to the root must not steer us out of it. */
export type ParseRecord<Kind> = (text: string, name: string) => Kind;

/** A record as text, for people too: indented, one newline at the end. */
export const formatRecord = (record: VolumeRecord | SnapshotRecord): string => `${JSON.stringify(record, null, 2)}\n`;

export const parseVolumeRecord: ParseRecord<VolumeRecord> = (text, name) => parse(volumeSchema, text, name);

export const parseSnapshotRecord: ParseRecord<SnapshotRecord> = (text, name) => parse(snapshotSchema, text, name);

/** The version that a record states, without a look at the rest. */
export const parseVersion = (text: string, name: string): Version => {
  const result = z.object(version).safeParse(withVersion(parseJson(text, name), name));
  if (!result.success) throw unreadable(name, z.prettifyError(result.error));
  return result.data;
};

const parse = <Kind extends { readonly name: string }>(schema: z.ZodType<Kind>, text: string, name: string): Kind => {
  const result = schema.safeParse(withVersion(parseJson(text, name), name));
  if (!result.success) throw unreadable(name, z.prettifyError(result.error));
  if (result.data.name !== name) throw unreadable(name, `it says it is ${quote(result.data.name)}`);
  return result.data;
};

/** Records of layout 1 have no version. */
const withVersion = (data: unknown, name: string): unknown => {
  if (typeof data !== 'object' || data === null || 'uid' in data || !('createdAt' in data)) return data;
  return { ...versionOfLayout1(name, String(data.createdAt)), ...data };
};

const version = { uid: z.string().regex(UID), revision: z.string().regex(REVISION) };

const ownership = {
  mode: z.int().min(0).max(0o7777),
  uid: z.int().nonnegative().optional(),
  gid: z.int().nonnegative().optional(),
};

const volumeSchema = z.object({
  ...version,
  name: z.string().refine(isRecordName),
  requestedName: z.string(),
  directory: z.string().transform((text, context) => {
    try {
      return parseDirectory(text);
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: String(thrown) });
      return z.NEVER;
    }
  }),
  capacityBytes: z.int().nonnegative(),
  reservedBytes: z.int().nonnegative().exactOptional(),
  state: z.enum(['creating', 'ready', 'deleting']),
  rollback: z.literal(true).exactOptional(),
  inode: z.string().exactOptional(),
  owner: z.string().exactOptional(),
  parameters: z.record(z.string(), z.string()),
  settings: z.object({
    ...ownership,
    onDelete: z.enum(['delete', 'retain', 'archive']),
    compression: z.enum(COMPRESSIONS).exactOptional(),
  }),
  adopted: z.boolean(),
  limit: z
    .discriminatedUnion('by', [
      z.object({ by: z.literal('qgroup') }),
      z.object({
        by: z.literal('project'),
        id: z
          .int()
          .positive()
          .max(2 ** 32 - 2),
        partial: z.literal(true).exactOptional(),
      }),
    ])
    .exactOptional(),
  claim: z.object({ namespace: z.string(), name: z.string() }).exactOptional(),
  source: z.object({ kind: z.enum(['snapshot', 'volume']), id: z.string() }).exactOptional(),
  copy: z.string().refine(isCopyName).exactOptional(),
  createdAt: z.string(),
});

const snapshotSchema = z.object({
  ...version,
  name: z.string().refine(isRecordName),
  requestedName: z.string(),
  volume: z.string().refine(isRecordName),
  capacityBytes: z.int().nonnegative(),
  ownership: z.object(ownership),
  state: z.enum(['copying', 'ready', 'deleting']),
  owner: z.string().exactOptional(),
  data: z.string().refine(isCopyName).exactOptional(),
  group: z
    .object({ name: z.string().refine(isRecordName), requestedName: z.string(), volumeIds: z.array(z.string()) })
    .exactOptional(),
  committed: z.literal(true).exactOptional(),
  createdAt: z.string(),
});

const parseJson = (text: string, name: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw unreadable(name, 'it is not JSON', thrown);
  }
};

const unreadable = (name: string, reason: string, cause?: unknown): DriverError =>
  new DriverError('failed-precondition', `record ${quote(name)} cannot be read: ${reason}`, { cause });
