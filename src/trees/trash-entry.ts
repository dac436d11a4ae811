import type { Limit, VolumeRecord } from '../domain/volume.ts';

/** How its entry begins: `<name>-`, or `<name>@<project>-`. No name has an @. */
export const prefixOf = ({ name, limit }: Pick<VolumeRecord, 'name' | 'limit'>): string =>
  limit?.by === 'project' ? `${name}@${limit.id}-` : `${name}-`;

/** The project that an entry gives back once it is empty. */
export const projectOf = (entry: string): { readonly name: string; readonly limit: Limit } | undefined => {
  const [, name, id] = /^([^@]+)@(\d+)-/.exec(entry) ?? [];
  return name === undefined ? undefined : { name, limit: { by: 'project', id: Number(id) } };
};
