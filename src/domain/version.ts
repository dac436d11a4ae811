import { createHash, randomBytes } from 'node:crypto';

/**
 * Which version of which record a writer has seen. Records that had the same name one after the other differ in `uid`,
 * versions of one record in `revision` (`<number>-<random>`). No pair is ever used twice, not even by two writers that
 * replace the same version.
 */
export interface Version {
  readonly uid: string;
  readonly revision: string;
}

/** The version of a new record. */
export const firstVersion = (): Version => ({ uid: randomBytes(8).toString('hex'), revision: revise(1) });

export const nextVersion = ({ uid, revision }: Version): Version => ({
  uid,
  revision: revise(Number.parseInt(revision, 10) + 1),
});

export const sameVersion = (a: Version, b: Version): boolean => a.uid === b.uid && a.revision === b.revision;

/** The version of a record of layout 1, which states none: always the same one for the same record. */
export const versionOfLayout1 = (name: string, createdAt: string): Version => ({
  uid: createHash('sha256').update(`${name} ${createdAt}`).digest('hex').slice(0, 16),
  revision: '0-00000000',
});

export const UID = /^[0-9a-f]{16}$/;
export const REVISION = /^\d{1,15}-[0-9a-f]{8}$/;

const revise = (number: number): string => `${number}-${randomBytes(4).toString('hex')}`;
