import { DriverError } from '../domain/errors.ts';
import type { Catalog } from './catalog.ts';

/**
 * Says in its record that something is being deleted, before anything of it goes. A disk that is full must not keep
 * anybody from making room on it: then the deletion goes on unmarked, and after a crash the same call again ends it.
 */
export const markDeleting = async <Kind extends { readonly state: string }>(
  catalog: Catalog<Kind>,
  record: Kind,
): Promise<void> => {
  if (record.state === 'deleting') return;
  await catalog.replace({ ...record, state: 'deleting' }).catch((thrown: unknown) => {
    if (DriverError.from(thrown).kind !== 'no-space') throw thrown;
  });
};
