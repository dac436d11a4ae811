import type { VolumeRecord } from '../domain/volume.ts';
import { findVolume, type PoolIndex, type PoolIndexes } from '../index/pool-index.ts';
import { parseAttributes } from '../requests/attributes.ts';
import { parseMutableParameters, parseParameters } from '../requests/parameters.ts';

export interface ValidateCommand {
  readonly volumeId: string;
  /** Why no volume could be used in the way that the capabilities describe. */
  readonly unsupported: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<string, string>>;
  readonly mutableParameters: Readonly<Record<string, string>>;
}

/**
 * Undefined when the volume is what the caller takes it for; else what is not. Throws not-found, and invalid-argument
 * for what no volume could have.
 */
export const validateVolume = async (indexes: PoolIndexes, command: ValidateCommand): Promise<string | undefined> => {
  const volume = await findVolume(indexes, command.volumeId);
  const { pool } = parseParameters(command.parameters, 'parameters');
  parseMutableParameters(command.mutableParameters, 'mutable_parameters');
  if (command.unsupported !== undefined) return command.unsupported;
  if (pool !== undefined && pool !== volume.pool.name)
    return `parameters.pool: the volume is in pool ${volume.pool.name}`;
  return isLocatedAt(volume, command.attributes) ? undefined : 'volume_context: it is not that of this volume';
};

const isLocatedAt = (
  { pool, record }: PoolIndex & { readonly record: VolumeRecord },
  attributes: ValidateCommand['attributes'],
): boolean => {
  if (Object.keys(attributes).length === 0) return true;
  const location = parseAttributes(attributes, 'volume_context');
  return location.directory === record.directory && (location.pool ?? pool.name) === pool.name;
};
