import { mkdir, readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DriverError, errnoOf } from '../domain/errors.ts';
import { OWN_FOLDER } from '../domain/paths.ts';
import { LAYOUT } from '../domain/volume.ts';
import type { OwnFolder } from './own-folder.ts';
import type { Step } from './step.ts';
import { createWhole } from './whole-file.ts';

/** Makes the driver's own folders where they are missing. Refuses a root whose layout is newer than ours. */
export const prepareLayout = async (root: string, own: OwnFolder, step: Step): Promise<void> => {
  await requireRealPath(root);
  await ensureFolder(join(root, OWN_FOLDER));
  for (const name of OWN_FOLDERS) await ensureFolder(join(await own.path(), name));
  await ensureLayout(own, step);
};

const OWN_FOLDERS = ['volumes', 'snapshots', 'data', 'copies', 'trash', 'projects'];

/** The mount table knows real paths only, and what a link points at can be changed under us. */
const requireRealPath = async (path: string): Promise<void> => {
  const real = await realpath(path).catch((thrown: unknown) => {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    throw new DriverError('failed-precondition', `the pool's root ${path} does not exist: make it or mount its disk`);
  });
  if (real === resolve(path)) return;
  throw new DriverError('failed-precondition', `the pool's root ${path} is reached through a link: configure ${real}`);
};

const ensureFolder = async (path: string): Promise<void> => {
  await mkdir(path, 0o700).catch((thrown: unknown) => {
    if (errnoOf(thrown) !== 'EEXIST') throw thrown;
  });
};

const ensureLayout = async (own: OwnFolder, step: Step): Promise<void> => {
  const file = join(await own.path(), LAYOUT_FILE);
  const text = await readFile(file, 'utf8').catch(async (thrown: unknown) => {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    await createWhole(own, LAYOUT_FILE, `${JSON.stringify({ layout: LAYOUT })}\n`, step);
    return readFile(file, 'utf8');
  });
  const layout = layoutOf(text);
  const problem =
    layout === undefined
      ? `cannot be read: expected {"layout": ${LAYOUT}}`
      : `has layout ${layout}, this version knows ${LAYOUT}: use a newer driver`;
  if (layout === undefined || layout > LAYOUT) {
    throw new DriverError('failed-precondition', `${OWN_FOLDER}/${LAYOUT_FILE} ${problem}`);
  }
};

const LAYOUT_FILE = 'pool.json';

const layoutOf = (text: string): number | undefined => {
  try {
    const { layout } = JSON.parse(text);
    return Number.isInteger(layout) && layout > 0 ? layout : undefined;
  } catch {
    return undefined;
  }
};
