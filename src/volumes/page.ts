import { DriverError, quote } from '../domain/errors.ts';
import type { Handle } from '../domain/handle.ts';

export interface Page<View> {
  readonly entries: readonly View[];
  /** Where the next page starts; empty after the last one. */
  readonly nextToken: string;
}

export interface PageRequest {
  /** 0: all. */
  readonly maxEntries: number;
  readonly token: string;
}

/**
 * A part of what is sorted by pool and name. A token is the id of the last one of a page, so that a page is right even
 * when that one has gone meanwhile. Throws aborted for a token that is not one.
 */
export const pageAfter = <View>(
  views: readonly View[],
  idOf: (view: View) => string,
  parseId: (id: string) => Handle | undefined,
  { maxEntries, token }: PageRequest,
): Page<View> => {
  const after = token === '' ? undefined : parseId(token);
  if (token !== '' && after === undefined) throw notAToken(token);
  const rest = after === undefined ? views : views.filter((view) => isBehind(parseId(idOf(view)), after));
  const entries = maxEntries > 0 ? rest.slice(0, maxEntries) : rest;
  const last = entries.at(-1);
  return { entries, nextToken: last !== undefined && entries.length < rest.length ? idOf(last) : '' };
};

const isBehind = (handle: Handle | undefined, after: Handle): boolean => {
  if (handle === undefined) return false;
  return handle.pool === after.pool ? handle.name > after.name : handle.pool > after.pool;
};

const notAToken = (token: string): DriverError =>
  new DriverError('aborted', `starting_token: expected the next_token of an earlier page, got ${quote(token)}`);
