import { isRecordName } from './handle.ts';
import type { Directory } from './paths.ts';
import { UID, type Version } from './version.ts';

/** What is copied: the tree of a volume or of a snapshot, below a pool's root (an absolute path). */
export type CopySource =
  | { readonly kind: 'volume'; readonly root: string; readonly directory: Directory }
  | { readonly kind: 'snapshot'; readonly root: string; readonly data: string };

/** The record that a copy is made for: names in `.csi-subdir/copies/` and `data/` start with it. */
export interface CopyOwner extends Pick<Version, 'uid'> {
  readonly kind: 'volume' | 'snapshot';
  readonly name: string;
}

/** Every attempt has a name of its own, so that nobody mistakes the copy of another attempt, or of another record. */
export const nameCopy = ({ kind, name, uid }: CopyOwner, nonce: string): string => `${kind}-${name}@${uid}-${nonce}`;

/** The record that a copy is for; undefined for any other name. Copies that layout 1 has left have no uid. */
export const ownerOf = (copy: string): CopyOwner | (Omit<CopyOwner, 'uid'> & { readonly uid?: never }) | undefined => {
  const [, kind, rest = ''] = /^(volume|snapshot)-(.+)-[0-9a-f]{8}$/.exec(copy) ?? [];
  if (kind !== 'volume' && kind !== 'snapshot') return undefined;
  const [name = '', uid, ...others] = rest.split('@');
  if (!isRecordName(name) || others.length > 0) return undefined;
  if (uid === undefined) return { kind, name };
  return UID.test(uid) ? { kind, name, uid } : undefined;
};

export const isCopyName = (text: string): boolean => ownerOf(text) !== undefined;

/** True when a copy was made for this very record. */
export const isCopyFor = (copy: string, { kind, name, uid }: CopyOwner): boolean => {
  const owner = ownerOf(copy);
  return owner?.kind === kind && owner.name === name && owner.uid === uid;
};
