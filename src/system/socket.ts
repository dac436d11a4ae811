import { lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { DriverError, errnoOf } from '../errors/errors.ts';

/**
 * Makes way for a socket of ours. Never removes anything but a socket, and not one that somebody answers at. Throws
 * failed-precondition.
 */
export const claimSocket = async (path: string): Promise<string> => {
  const there = await lstat(path).catch((thrown: unknown) => {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  });
  if (there === undefined) return path;
  if (!there.isSocket()) throw new DriverError('failed-precondition', `${path} exists and is not a socket`);
  if (await isAnswered(path)) throw new DriverError('failed-precondition', `another process serves ${path}`);
  await unlink(path);
  return path;
};

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const connection = createConnection(path, () => {
      connection.destroy();
      resolve(true);
    });
    connection.on('error', () => resolve(false));
  });
