import * as z from 'zod';
import { DriverError, quote } from './errors.ts';
import { isRecordName } from './handle.ts';
import { parseDirectory } from './paths.ts';
import type { VolumeRecord } from './volume.ts';

/** A record as text, for people too: indented, one newline at the end. */
export const formatRecord = (record: VolumeRecord): string => `${JSON.stringify(record, null, 2)}\n`;

/** Reads a record back as strictly as a request: whoever can write to the root must not steer us out of it. */
export const parseRecord = (text: string, name: string): VolumeRecord => {
  const result = recordSchema.safeParse(parseJson(text, name));
  if (!result.success) throw unreadable(name, z.prettifyError(result.error));
  if (result.data.name !== name) throw unreadable(name, `it says it is ${quote(result.data.name)}`);
  const { claim, limit, ...record } = result.data;
  return { ...record, ...(limit === undefined ? {} : { limit }), ...(claim === undefined ? {} : { claim }) };
};

const recordSchema = z.object({
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
  state: z.enum(['creating', 'ready', 'deleting']),
  parameters: z.record(z.string(), z.string()),
  settings: z.object({
    mode: z.int().min(0).max(0o7777),
    uid: z.int().nonnegative().optional(),
    gid: z.int().nonnegative().optional(),
    onDelete: z.enum(['delete', 'retain', 'archive']),
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
    .optional(),
  claim: z.object({ namespace: z.string(), name: z.string() }).optional(),
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
