import type { Version } from '../domain/version.ts';

// Names in `.csi-subdir/changes/`, see versioned-file.ts.

/** The version of a file that somebody has replaced or removed, or is about to. */
export interface Change {
  /** The folder that the file is in. */
  readonly label: string;
  readonly file: string;
  readonly from: Version;
}

/** The name of the successor of a version. */
export const nameChange = ({ label, file, from }: Change): string =>
  [label, file, `${from.uid}.${from.revision}`].join('+');

/** What the successor with this name succeeds; undefined for any other name. */
export const parseChange = (name: string): Change | undefined => {
  const [, label, file, uid, revision] = /^([a-z]+)\+([^+]+)\+([0-9a-f]{16})\.(\d+-[0-9a-f]{8})$/.exec(name) ?? [];
  if (label === undefined || file === undefined || uid === undefined || revision === undefined) return undefined;
  return { label, file, from: { uid, revision } };
};

/** The end of the names of files that are on their way: the content of a successor, a removed version. */
export const CONTENT_SUFFIX = '.content';
export const REMOVED_SUFFIX = '.removed';
