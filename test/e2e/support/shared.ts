import { apply, kubectl, run } from './cluster.ts';
import { install } from './installed.ts';
import { SNAPSHOT_VALUES } from './snapshots.ts';

// Two pools on two servers, and what can befall the servers.

export type Server = 'a' | 'b';

const ADDRESS = { a: '10.77.1.2', b: '10.77.2.2' } as const;

/** What a server exports, as the machine sees that both servers run on. */
export const EXPORTED = { a: '/tmp/csi-subdir-guest/a/root/export', b: '/tmp/csi-subdir-guest/b/root/export' } as const;

export const NFS_NODE = 'nfs1';

/** Pods that use NFS must be on the node that reaches it. */
export const ON_NFS_NODE = { nodeSelector: { 'e2e/nfs': 'true' } };

/** Installs both drivers with two pools, or changes what is installed. */
export const installShared = (): Promise<void> => installPools({ a: pool('a'), b: pool('b') });

/** Pool A on the other server, where its data have been moved to. No export may be that of two pools. */
export const installMoved = (): Promise<void> => installPools({ a: pool('b') });

const nfs = (name: Server) => ({ server: ADDRESS[name], export: '/export' });

const pool = (name: Server) => ({ nfs: nfs(name), inlineCapacity: '20Gi' });

const installPools = (pools: Readonly<Record<string, object>>): Promise<void> => {
  const onB = pools.b === undefined ? {} : { 'on-b': { parameters: { pool: 'b' } } };
  const shared = {
    enabled: true,
    inlineVolumes: true,
    pools,
    storageClasses: {
      'csi-subdir-shared': null,
      'on-a': { parameters: { pool: 'a' } },
      'archive-a': { parameters: { pool: 'a', onDelete: 'archive' } },
      'retain-a': { parameters: { pool: 'a', onDelete: 'retain' } },
      ...onB,
    },
    controller: ON_NFS_NODE,
  };
  return install(`--set-json=shared=${JSON.stringify(shared)}`, ...SNAPSHOT_VALUES);
};

/** What a script has printed that runs as root on the machine of the second node, outside of all containers. */
export const onNfsNode = (script: string): Promise<string> =>
  run('kubectl', ['exec', 'nfs1-shell', '--', 'nsenter', '-t1', '-m', '-n', '--', 'bash', '-ec', `${PATH}\n${script}`]);

const PATH = 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin';

/** A fault of a server, and its end: see test/nfs/inside/srv. */
export const server = (fault: string, name: Server): Promise<string> =>
  onNfsNode(`GUEST=/tmp/csi-subdir-guest /tmp/csi-subdir-guest/bin/srv ${fault} ${name}`);

export const openNfsNode = async (): Promise<void> => {
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'nfs1-shell', namespace: 'default' },
      spec: {
        nodeName: NFS_NODE,
        hostPID: true,
        terminationGracePeriodSeconds: 0,
        tolerations: [{ operator: 'Exists' }],
        containers: [
          {
            name: 'shell',
            image: 'docker.io/library/busybox:1.36',
            imagePullPolicy: 'IfNotPresent',
            command: ['sleep', '86400'],
            securityContext: { privileged: true },
          },
        ],
      },
    },
  ]);
  await kubectl('wait', '--for=condition=Ready', 'pod/nfs1-shell', '--timeout=90s');
};
