import { createOwnFolder, type OwnFolder } from '../../src/store/own-folder.ts';

/** A folder of the driver's own below a root that nobody holds open. */
export const openOwnFolder = (root: string, name: string): OwnFolder =>
  createOwnFolder({ path: root, shownAs: root, sync: async () => {}, keep: () => {} }, name);
