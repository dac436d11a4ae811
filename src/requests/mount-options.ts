import { invalid } from '../errors/errors.ts';

/** What a bind mount can have of its own; everything else belongs to the file system below it. */
export const BIND_OPTIONS = [
  'ro',
  'rw',
  'nosuid',
  'suid',
  'nodev',
  'dev',
  'noexec',
  'exec',
  'noatime',
  'nodiratime',
  'relatime',
] as const;

/** Options of nfs(5) that a pool, a StorageClass or a PV may set: their values are listed, or numbers. */
export interface NfsOption {
  readonly keys: readonly string[];
  readonly values?: readonly string[];
  /** The value is a number of at most so many digits. */
  readonly digits?: number;
}

export const NFS_OPTIONS: readonly NfsOption[] = [
  { keys: ['vers', 'nfsvers'], values: ['3', '4', '4.0', '4.1', '4.2'] },
  { keys: ['minorversion'], values: ['0', '1', '2'] },
  { keys: ['proto'], values: ['tcp', 'tcp6', 'udp', 'udp6', 'rdma', 'rdma6'] },
  { keys: ['mountproto'], values: ['tcp', 'tcp6', 'udp', 'udp6'] },
  { keys: ['mountvers'], values: ['1', '2', '3'] },
  { keys: ['port', 'mountport'], digits: 5 },
  { keys: ['rsize', 'wsize', 'timeo', 'retrans', 'retry', 'nconnect', 'max_connect', 'namlen'], digits: 8 },
  { keys: ['actimeo', 'acregmin', 'acregmax', 'acdirmin', 'acdirmax'], digits: 8 },
  { keys: ['hard', 'soft', 'softerr', 'softreval', 'nosoftreval', 'intr', 'nointr', 'sync', 'async'] },
  { keys: ['ac', 'noac', 'cto', 'nocto', 'lock', 'nolock', 'acl', 'noacl', 'rdirplus', 'nordirplus', 'nosharecache'] },
  {
    keys: ['fsc', 'nofsc', 'resvport', 'noresvport', 'migration', 'nomigration', 'trunkdiscovery', 'notrunkdiscovery'],
  },
  { keys: ['local_lock'], values: ['none', 'all', 'flock', 'posix'] },
  { keys: ['lookupcache'], values: ['all', 'none', 'pos', 'positive'] },
  { keys: ['sec'], values: ['sys', 'krb5', 'krb5i', 'krb5p', 'none'] },
  { keys: ['xprtsec'], values: ['none', 'tls', 'mtls'] },
  { keys: ['write'], values: ['lazy', 'eager', 'wait'] },
];

/** Other spellings, which nfs(5) has for them. */
export const SYNONYMS: Readonly<Record<string, string>> = { tcp: 'proto=tcp', udp: 'proto=udp', rdma: 'proto=rdma' };

/** What concerns /etc/fstab and those who read it: accepted, and left out. */
export const WITHOUT_EFFECT = ['defaults', '_netdev', 'auto', 'noauto', 'nofail', 'bg', 'fg', 'nouser'] as const;

/** What is refused, by its key, with what to do. */
export const ALTERNATIVES: Readonly<Record<string, string>> = {
  addr: 'the pool names the server',
  clientaddr: 'the kernel chooses it',
  mountaddr: 'the pool names the server',
  mounthost: 'the pool names the server',
  sharecache: 'each volume is mounted by itself, so that the kubelet can tell them apart',
  context: 'set seLinuxOptions of the pods, or the label on the server',
  fscontext: 'set seLinuxOptions of the pods, or the label on the server',
  defcontext: 'set seLinuxOptions of the pods, or the label on the server',
  rootcontext: 'set seLinuxOptions of the pods, or the label on the server',
  uid: 'use the parameter uid of the StorageClass',
  gid: 'use the parameter gid of the StorageClass, or fsGroup of the pods',
  mode: 'use the parameter mode of the StorageClass',
  dir_mode: 'use the parameter mode of the StorageClass',
  file_mode: 'use the parameter mode of the StorageClass',
  umask: 'use the parameter mode of the StorageClass',
  bind: 'the driver decides what is bound',
  rbind: 'the driver decides what is bound',
  remount: 'stage the volume again',
  user: 'only root mounts volumes',
  users: 'only root mounts volumes',
  owner: 'only root mounts volumes',
  group: 'only root mounts volumes',
};

export type MountOptionKind = 'bind' | 'nfs';

export interface MountOptions {
  /** For the file system, at staging. */
  readonly fileSystem: readonly string[];
  /** For the bind mount, at publishing. */
  readonly bind: readonly string[];
}

/**
 * Mount options, each checked against the lists. A refused one is named by its key alone: its value may be a
 * credential. Throws invalid-argument with the options that are allowed.
 */
export const sortMountOptions = (options: readonly string[], kind: MountOptionKind, field: string): MountOptions => {
  const fileSystem: string[] = [];
  const bind: string[] = [];
  for (const option of options
    .flatMap((text) => text.split(','))
    .map(translate)
    .filter(hasEffect)) {
    if (isOneOf(BIND_OPTIONS, option)) bind.push(option);
    else if (kind === 'nfs' && isNfsOption(option)) fileSystem.push(option);
    else throw refused(option, kind, field);
  }
  return { fileSystem, bind };
};

const translate = (option: string): string => (Object.hasOwn(SYNONYMS, option) && SYNONYMS[option]) || option;

const hasEffect = (option: string): boolean => !isOneOf(WITHOUT_EFFECT, option) && !option.startsWith('x-systemd.');

const isNfsOption = (option: string): boolean => {
  const [key = '', ...values] = option.split('=');
  const found = NFS_OPTIONS.find(({ keys }) => keys.includes(key));
  if (found === undefined) return false;
  const [value] = values;
  if (value === undefined || values.length > 1) return values.length === 0 && takesNoValue(found);
  return found.digits === undefined ? found.values?.includes(value) === true : isNumber(value, found.digits);
};

const takesNoValue = ({ values, digits }: NfsOption): boolean => values === undefined && digits === undefined;

const isNumber = (text: string, digits: number): boolean => text.length <= digits && /^\d+$/.test(text);

const isOneOf = (list: readonly string[], option: string): boolean => list.includes(option);

const refused = (option: string, kind: MountOptionKind, field: string): Error => {
  const key = /^[\w.-]*/.exec(option)?.[0] ?? '';
  const alternative = Object.hasOwn(ALTERNATIVES, key) ? ` (${ALTERNATIVES[key]})` : '';
  const isOfNfs = kind === 'bind' && isNfsOption(option);
  const hint = isOfNfs
    ? ' (an option of NFS, but the pool is a path that the node has mounted: set it there)'
    : alternative;
  const allowed = [...BIND_OPTIONS, ...(kind === 'bind' ? [] : NFS_OPTIONS.flatMap(({ keys }) => keys))].join(', ');
  return invalid(field, `mount options out of ${allowed}${hint}`, key);
};
