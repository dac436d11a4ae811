import { join } from 'node:path';
import type { Directory } from '../domain/paths.ts';
import { isNfs, type MountEntry } from '../system/mountinfo.ts';
import type { PoolSettings } from './pool.ts';

/** What is mounted from where. */
export interface NfsSource {
  /** DNS name or address; IPv6 without brackets. */
  readonly server: string;
  /** Absolute path on the server. */
  readonly export: string;
}

export interface NfsPool extends PoolSettings, NfsSource {
  /** For the volumes' own mounts, on the nodes. */
  readonly mountOptions: readonly string[];
  /** For the controller's mount of the whole export: one that gives up soon. */
  readonly controllerMountOptions: readonly string[];
  /** The export's directory where the controller runs on the server itself: no mount then. */
  readonly localPath: string | undefined;
  /** Where the controller mounts the export. */
  readonly mountPath: string;
}

/** The export, or a directory of it, as mount(8) and the mount table name it. */
export const nameSource = ({ server, export: path }: NfsSource, directory?: Directory): string =>
  `${bracket(server)}:${directory === undefined ? path : join(path, directory)}`;

export const isOnServer = (entry: MountEntry, server: string): boolean =>
  isNfs(entry) && entry.source.startsWith(`${bracket(server)}:`);

const bracket = (server: string): string => (server.includes(':') ? `[${server}]` : server);

/** Without a version mount.nfs would go on to NFSv3, which is another way to lock, when the server has said no. */
export const withVersion = (options: readonly string[]): readonly string[] =>
  options.some((option) => /^(?:nfs)?vers=/.test(option)) ? options : ['nfsvers=4', ...options];
