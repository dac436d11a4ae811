import { invalid } from './errors.ts';

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

/** Options of nfs(5) that a pool, a StorageClass or a PV may set. A pattern, so that no value can smuggle in another. */
export const NFS_OPTIONS = [
  '(?:nfs)?vers=(?:3|4|4\\.[012])',
  'minorversion=[012]',
  'proto=(?:tcp|tcp6|udp|udp6|rdma|rdma6)',
  'mountproto=(?:tcp|tcp6|udp|udp6)',
  '(?:mount)?port=\\d{1,5}',
  '(?:rsize|wsize|timeo|retrans|retry|nconnect|max_connect|actimeo|acregmin|acregmax|acdirmin|acdirmax|namlen)=\\d{1,8}',
  'hard|soft|softerr|softreval|nosoftreval|intr|nointr',
  'ac|noac|cto|nocto|lock|nolock|acl|noacl|rdirplus|nordirplus|nosharecache|fsc|nofsc|resvport|noresvport',
  'local_lock=(?:none|all|flock|posix)',
  'lookupcache=(?:all|none|pos|positive)',
  'sec=(?:sys|krb5|krb5i|krb5p|none)',
  'xprtsec=(?:none|tls|mtls)',
  'write=(?:lazy|eager|wait)',
] as const;

export type MountOptionKind = 'bind' | 'nfs';

export interface MountOptions {
  /** For the file system, at staging. */
  readonly fileSystem: readonly string[];
  /** For the bind mount, at publishing. */
  readonly bind: readonly string[];
}

/**
 * Mount options, each checked against the lists. A refused one is named by its key alone: its value may be a
 * credential. Throws invalid-argument.
 */
export const sortMountOptions = (options: readonly string[], kind: MountOptionKind, field: string): MountOptions => {
  const fileSystem: string[] = [];
  const bind: string[] = [];
  for (const option of options.flatMap((text) => text.split(','))) {
    if (isBindOption(option)) bind.push(option);
    else if (kind === 'nfs' && NFS_OPTION.test(option)) fileSystem.push(option);
    else throw refused(option, kind, field);
  }
  return { fileSystem, bind };
};

const NFS_OPTION = new RegExp(`^(?:${NFS_OPTIONS.join('|')})$`);

const isBindOption = (option: string): boolean => (BIND_OPTIONS as readonly string[]).includes(option);

const refused = (option: string, kind: MountOptionKind, field: string): Error => {
  const list = `mount options out of ${BIND_OPTIONS.join(', ')}`;
  return invalid(
    field,
    kind === 'bind' ? list : `${list}, or one of nfs(5) that is allowed`,
    /^[\w.-]*/.exec(option)?.[0] ?? '',
  );
};
