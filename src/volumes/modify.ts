import { parseMutableParameters } from '../domain/parameters.ts';
import type { Settings } from '../domain/volume.ts';
import { type Call, type Context, findVolume, lockKey } from './context.ts';

/** Changes what a VolumeAttributesClass may change. The directory first: a repeated call repairs what a crash left. */
export const modifyVolume = (
  context: Context,
  volumeId: string,
  parameters: Readonly<Record<string, string>>,
  call: Call,
): Promise<void> =>
  context.locks.run([lockKey(volumeId)], call.signal, async () => {
    const { pool, ledger, record } = await findVolume(context, volumeId);
    const settings: Settings = { ...record.settings, ...parseMutableParameters(parameters, 'mutable_parameters') };
    if (sameSettings(settings, record.settings)) return;
    await pool.root.own(record.directory, settings);
    context.step('directory owned');
    await ledger.replace({ ...record, settings });
  });

const sameSettings = (a: Settings, b: Settings): boolean =>
  a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.onDelete === b.onDelete;
