import { type Directory, parseDirectory } from '../domain/paths.ts';
import { invalid } from '../errors/errors.ts';

/** Where a volume lies, as its PV says it in volumeAttributes: written by CreateVolume, or by an admin by hand. */
export interface Location {
  readonly pool: string | undefined;
  readonly directory: Directory;
  /** The name of the volume in its id, where CreateVolume has written it. */
  readonly volume: string | undefined;
}

const KNOWN = ['pool', 'directory', 'volume'];

/** Keys with a slash are Kubernetes' own (pod info, service-account tokens): they are never read, never shown. */
export const parseAttributes = (raw: Readonly<Record<string, string>>, field: string): Location => {
  const unknown = Object.keys(raw).find((key) => !key.includes('/') && !KNOWN.includes(key));
  if (unknown !== undefined) throw invalid(field, `only the keys ${KNOWN.join(', ')}`, unknown);
  if (raw.directory === undefined)
    throw invalid(`${field}.directory`, 'the volume directory below the root of its pool');
  return { pool: raw.pool, volume: raw.volume, directory: parseDirectory(raw.directory, `${field}.directory`) };
};
