import type { Handle } from '../domain/handle.ts';
import { placeOf } from '../domain/sorted.ts';
import { DriverError, quote } from '../errors/errors.ts';

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

/** The records of a pool, sorted by name. */
export interface PageSource<Kind> {
  readonly pool: string;
  readonly records: readonly Kind[];
}

export interface PageRules<Kind> {
  readonly isListed: (record: Kind, pool: string) => boolean;
  readonly formatId: (handle: Handle) => string;
  readonly parseId: (id: string) => Handle | undefined;
}

/**
 * A part of what is listed, by pool and name, at the cost of the part: `sources` are sorted by pool. A token is the id
 * of the last record of a page, so that the next page is right even when that one was deleted in the meantime. Throws
 * aborted for a token that is not one.
 */
export const pageAfter = <Kind extends { readonly name: string }, Source extends PageSource<Kind>>(
  sources: readonly Source[],
  { isListed, formatId, parseId }: PageRules<Kind>,
  { maxEntries, token }: PageRequest,
): Page<{ readonly source: Source; readonly record: Kind }> => {
  const after = token === '' ? undefined : parseId(token);
  if (token !== '' && after === undefined) throw notAToken(token);
  const entries: { readonly source: Source; readonly record: Kind }[] = [];
  for (const entry of listAfter(sources, isListed, after)) {
    const last = entries.at(-1);
    if (maxEntries > 0 && entries.length === maxEntries && last !== undefined)
      return { entries, nextToken: formatId({ pool: last.source.pool, name: last.record.name }) };
    entries.push(entry);
  }
  return { entries, nextToken: '' };
};

const listAfter = function* <Kind extends { readonly name: string }, Source extends PageSource<Kind>>(
  sources: readonly Source[],
  isListed: PageRules<Kind>['isListed'],
  after: Handle | undefined,
): Generator<{ readonly source: Source; readonly record: Kind }> {
  for (const source of sources) {
    const { pool, records } = source;
    for (let index = firstAfter(pool, records, after); index < records.length; index += 1) {
      const record = records[index];
      if (record !== undefined && isListed(record, pool)) yield { source, record };
    }
  }
};

const firstAfter = (pool: string, records: readonly { readonly name: string }[], after: Handle | undefined): number => {
  if (after === undefined || pool > after.pool) return 0;
  if (pool < after.pool) return records.length;
  const place = placeOf(records, after.name);
  return records[place]?.name === after.name ? place + 1 : place;
};

const notAToken = (token: string): DriverError =>
  new DriverError('aborted', `starting_token: expected the next_token of an earlier page, got ${quote(token)}`);
