import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Expectation, formatPoolFile, type PoolFile, parsePoolFile } from '../domain/identity.ts';
import { OWN_FOLDER } from '../domain/paths.ts';
import type { Version } from '../domain/version.ts';
import { DriverError, errnoOf, quote } from '../errors/errors.ts';
import { kindOf } from '../system/directory.ts';
import type { Step } from '../system/step.ts';
import { createOwnFolder, type HeldRoot, type OwnFolder } from './own-folder.ts';
import { createVersionedFiles } from './versioned-file.ts';
import { createWhole, readIfThere } from './whole-file.ts';

/** The errors of a root that is not the expected pool, or not any more, have this cause. */
export const NOT_OPEN = 'NOTOPEN';
/** And this one, where a pool could be created, which the caller does not want. */
export const NEW_POOL = 'NEWPOOL';

/**
 * Makes sure that an open root is the expected pool, and returns the pool's id; undefined for layout 1 that must not be
 * migrated. A root that nobody has used becomes a new pool. Throws unavailable for anything else, and changes nothing.
 */
export const identifyRoot = async (
  root: HeldRoot,
  expectation: Expectation,
  step: Step,
): Promise<string | undefined> => {
  const own = createOwnFolder(root);
  const found = await readPoolFile(root, own);
  if (found?.layout === LAYOUT_WITH_IDENTITY) return requireExpected(root, found, expectation);
  refuseKnown(root, expectation, found);
  await requireUndamaged(root, found);
  if (!expectation.mayCreate) {
    if (found !== undefined) return undefined;
    throw refuse(describeNew(root, await listForeign(root)), NEW_POOL);
  }
  if (found === undefined && expectation.closesRoot) await closeIfEmpty(root);
  await makeFolders(root, own);
  await writePoolFile(own, found, expectation.pool, step);
  await root.sync();
  // Of several controllers that do this at the same time, one has won.
  const written = await readPoolFile(root, own);
  if (written?.layout !== LAYOUT_WITH_IDENTITY) throw refuse(`${POOL_FILE} of ${root.shownAs} was changed: try again`);
  return requireExpected(root, written, expectation);
};

/** What is in the root besides the driver's folder, and what a file system of its own has from the beginning. */
const listForeign = async ({ path }: HeldRoot): Promise<readonly string[]> =>
  (await readdir(path)).filter((entry) => entry !== OWN_FOLDER && entry !== 'lost+found');

const describeNew = ({ shownAs }: HeldRoot, { length }: readonly string[]): string => {
  const found = length === 0 ? '' : `, which contains ${length} files and directories. A copy without hidden folders?`;
  return `there is no pool at ${shownAs} yet: the driver creates it when it starts${found}`;
};

/** A program with set-uid that a pod leaves in its volume would run as root for every user who can reach it. */
const closeIfEmpty = async (root: HeldRoot): Promise<void> => {
  if ((await listForeign(root)).length === 0) await chmod(root.path, 0o700);
};

const LAYOUT_WITH_IDENTITY = 2;
const POOL_JSON = 'pool.json';
const POOL_FILE = `${OWN_FOLDER}/${POOL_JSON}`;
/** A root of layout 1 has these at least. */
const FIRST_FOLDERS = ['volumes'];
const OWN_FOLDERS = [...FIRST_FOLDERS, 'snapshots', 'data', 'copies', 'trash', 'projects', 'changes'];

const readPoolFile = async (root: HeldRoot, own: OwnFolder): Promise<PoolFile | undefined> => {
  if ((await kindOf(join(root.path, OWN_FOLDER))) === 'missing') return undefined;
  const text = await readIfThere(join(await own.path(), POOL_JSON));
  try {
    return text === undefined ? undefined : parsePoolFile(text);
  } catch (thrown) {
    throw refuse(`${POOL_FILE} of ${root.shownAs} ${thrown instanceof Error ? thrown.message : ''}`);
  }
};

/** Returns the id. */
const requireExpected = async (
  root: HeldRoot,
  found: PoolFile & { readonly layout: 2 },
  { pool, known }: Expectation,
): Promise<string> => {
  if (found.pool !== pool)
    throw refuse(`${root.shownAs} belongs to pool ${quote(found.pool)}: correct the paths in the configuration`);
  if (known.id !== undefined && known.id !== found.id) {
    throw refuse(
      `${root.shownAs} has the id ${found.id}, but the pool has the id ${known.id} (${known.from}): is it the right disk? ${forget(known.from)}`,
    );
  }
  await requireFolders(root, OWN_FOLDERS);
  return found.id;
};

const refuseKnown = ({ shownAs }: HeldRoot, { known }: Expectation, found: PoolFile | undefined): void => {
  if (known.id === undefined) return;
  const state = found === undefined ? `has no identity (${POOL_FILE})` : 'has layout 1, and no identity';
  throw refuse(
    `its root ${shownAs} ${state}, but the pool exists, with the id ${known.id} (${known.from}): is its disk mounted? ${forget(known.from)}`,
  );
};

const forget = (from: string): string => `If the pool was replaced on purpose, remove ${from}`;

/** What a root without an identity must be like, so that nothing is lost when it gets one. */
const requireUndamaged = async (root: HeldRoot, found: PoolFile | undefined): Promise<void> => {
  if (found !== undefined) return requireFolders(root, FIRST_FOLDERS);
  for (const folder of ['volumes', 'snapshots']) {
    const names = await readdir(join(root.path, OWN_FOLDER, folder)).catch((thrown: unknown) => {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown;
      return [];
    });
    if (names.some((name) => name.endsWith('.json')))
      throw refuse(`${root.shownAs} is damaged: ${OWN_FOLDER}/${folder} has records, but ${POOL_FILE} is missing`);
  }
};

/** Throws for a pool that has lost one of the driver's folders. */
const requireFolders = async (root: HeldRoot, folders: readonly string[]): Promise<void> => {
  for (const folder of folders) {
    if ((await kindOf(join(root.path, OWN_FOLDER, folder))) === 'directory') continue;
    throw refuse(`${root.shownAs} is damaged: ${OWN_FOLDER}/${folder} is missing: restore it from a backup`);
  }
};

const makeFolders = async (root: HeldRoot, own: OwnFolder): Promise<void> => {
  await ensureFolder(join(root.path, OWN_FOLDER));
  for (const folder of OWN_FOLDERS) await ensureFolder(join(await own.path(), folder));
};

const ensureFolder = async (path: string): Promise<void> => {
  await mkdir(path, 0o700).catch((thrown: unknown) => {
    if (errnoOf(thrown) !== 'EEXIST') throw thrown;
  });
};

/** Last of all: a root that has this file is complete. Loses against another controller without an error. */
const writePoolFile = async (own: OwnFolder, found: PoolFile | undefined, pool: string, step: Step): Promise<void> => {
  const id = randomUUID();
  const text = formatPoolFile({ pool, id });
  if (found === undefined) {
    await createWhole(own, POOL_JSON, text, step);
    return;
  }
  const changes = own.inside('changes');
  const files = createVersionedFiles({ folder: own, changes, label: 'pool', versionOf: versionOfPoolFile, step });
  await files.replace(POOL_JSON, LAYOUT_1, versionOfPoolFile(text), text);
};

/** The successor of layout 1 is never removed: a controller that continues late loses, however late it is. */
const LAYOUT_1: Version = { uid: '0000000000000000', revision: '1-00000000' };

const versionOfPoolFile = (text: string): Version => {
  const file = parsePoolFile(text);
  if (file.layout === 1) return LAYOUT_1;
  const digits = file.id.replaceAll('-', '');
  return { uid: digits.slice(0, 16), revision: `2-${digits.slice(16, 24)}` };
};

/** The same as what callers get, whichever part of the driver finds out. */
export const notOpen = (pool: string, reason: string): DriverError => refuse(`pool ${pool} is not open: ${reason}`);

/** Why the root is not, or not any more, the pool that it should be. */
export const refuse = (message: string, cause = NOT_OPEN): DriverError =>
  new DriverError('unavailable', message, { cause });
