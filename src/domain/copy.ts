import { isRecordName } from './handle.ts';
import type { Directory } from './paths.ts';

/** What is copied: the tree of a volume or of a snapshot, below a pool's root (an absolute path). */
export type CopySource =
  | { readonly kind: 'volume'; readonly root: string; readonly directory: Directory }
  | { readonly kind: 'snapshot'; readonly root: string; readonly name: string };

/** For whom a copy is made: names in `.csi-subdir/copies/` start with it. */
export interface CopyOwner {
  readonly kind: 'volume' | 'snapshot';
  readonly name: string;
}

/** A copy being made has a name of its own for every attempt: one that was given up cannot be taken for another. */
export const nameCopy = ({ kind, name }: CopyOwner, nonce: string): string => `${kind}-${name}-${nonce}`;

/** Whose copy it is; undefined for a name that is none of ours. */
export const ownerOf = (copy: string): CopyOwner | undefined => {
  const [, kind, name = ''] = /^(volume|snapshot)-(.+)-[0-9a-f]{8}$/.exec(copy) ?? [];
  if ((kind !== 'volume' && kind !== 'snapshot') || !isRecordName(name)) return undefined;
  return { kind, name };
};

export const isCopyName = (text: string): boolean => ownerOf(text) !== undefined;
