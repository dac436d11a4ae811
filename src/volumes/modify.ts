import type { Settings } from '../domain/volume.ts';
import { retryConflicts } from '../errors/conflicts.ts';
import { findVolume, lockKey } from '../index/pool-index.ts';
import { parseMutableParameters } from '../requests/parameters.ts';
import type { Call, Context } from './context.ts';

/** What these operations use of the context. */
export type ModifyContext = Pick<Context, 'indexes' | 'locks' | 'step'>;

/** Changes what a VolumeAttributesClass may change. The directory first: a repeated call repairs what a crash left. */
export const modifyVolume = (
  context: ModifyContext,
  volumeId: string,
  parameters: Readonly<Record<string, string>>,
  call: Call,
): Promise<void> =>
  context.locks.run([lockKey(volumeId)], call.signal, () =>
    retryConflicts(async () => {
      const { pool, volumes, record } = await findVolume(context, volumeId);
      const changes = parseMutableParameters(parameters, 'mutable_parameters');
      const settings: Settings = { ...record.settings, ...changes };
      if (sameSettings(settings, record.settings)) return;
      // Without a new owner or mode the directory is left alone: adopted ones, and those with an fsGroup, have theirs.
      if (OWNERSHIP.some((key) => key in changes)) await pool.root.own(record, settings);
      const { compression } = changes;
      if (compression !== undefined) await pool.root.compress(record, compression);
      context.step('directory owned');
      await volumes.replace(record, { ...record, settings });
    }),
  );

const OWNERSHIP = ['mode', 'uid', 'gid'] as const;

const sameSettings = (a: Settings, b: Settings): boolean =>
  ([...OWNERSHIP, 'onDelete', 'compression'] as const).every((key) => a[key] === b[key]);
