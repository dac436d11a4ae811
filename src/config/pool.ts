import { isIP } from 'node:net';
import * as z from 'zod';
import { DEFAULT_TEMPLATE } from '../requests/template.ts';
import { absolutePath, exportPath, id, mode, mountOptionList, poolId, quantity, template } from './values.ts';

const SERVER_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

const hostPathSchema = z.strictObject({
  path: absolutePath.describe('Directory that volumes are made in; it must exist.'),
  shared: z
    .boolean()
    .default(false)
    .describe('True where the same network file system is mounted at this path on every node.'),
});

const nfsSchema = z.strictObject({
  server: z
    .string()
    .refine(
      (server) => isIP(server) > 0 || SERVER_NAME.test(server),
      'expected a DNS name or an address (IPv6 without brackets)',
    )
    .describe('DNS name or address of the server.'),
  export: exportPath.describe('Path that the server exports; / is the root of an NFSv4 server.'),
  mountOptions: mountOptionList.default([]).describe("Options of the volumes' own mounts, on the nodes."),
  controller: z
    .strictObject({
      mountOptions: mountOptionList
        .default(['soft', 'timeo=30', 'retrans=2', 'actimeo=1'])
        .describe("Options of the controller's mount: such that give up soon."),
      localPath: absolutePath
        .optional()
        .describe("The export's directory, where the controller runs on the server itself: nothing is mounted then."),
    })
    .prefault({})
    .describe('How the controller reaches the export.'),
});

export const poolSchema = z
  .strictObject({
    hostPath: hostPathSchema.optional().describe('A pool on a path of the node.'),
    nfs: nfsSchema.optional().describe('A pool on an NFS export.'),
    capacity: quantity.optional().describe('What all volumes together may ask for, e.g. 500Gi; left out: no budget.'),
    inlineCapacity: quantity
      .optional()
      .describe(
        'What all inline volumes together may ask for, e.g. 20Gi; left out: the pool has no inline volumes, which anybody who may make a pod can define.',
      ),
    sizes: z
      .enum(['enforce', 'budget', 'none'])
      .optional()
      .describe(
        'What a size means: enforce (a volume is held to it), budget (only capacity counts) or none; left out: enforce where the file system can, else budget.',
      ),
    id: poolId
      .optional()
      .describe(
        'Id of the pool, as check prints it; set, a root without this id is never used, not even on a node that has never seen the pool.',
      ),
    requireMount: z
      .boolean()
      .default(false)
      .describe(
        'True where the pool must not lie on the file system of /: it is not opened while its disk is not mounted.',
      ),
    directory: template.default(DEFAULT_TEMPLATE).describe('Template of the volume directory.'),
    mode: mode.default(0o777).describe('Permission bits of a volume directory.'),
    uid: id.optional().describe('Owner of a volume directory; left out: root, or whom the server squashes root to.'),
    gid: id.optional().describe('Group of a volume directory; left out: in the same way.'),
    onDelete: z
      .enum(['delete', 'retain', 'archive'])
      .default('delete')
      .describe('What DeleteVolume does with the directory.'),
    existing: z.enum(['fail', 'adopt']).default('fail').describe('What happens where the directory exists already.'),
  })
  .refine(({ hostPath, nfs }) => (hostPath === undefined) !== (nfs === undefined), 'expected either hostPath or nfs')
  .refine(({ sizes, capacity }) => sizes !== 'none' || capacity === undefined, {
    path: ['capacity'],
    message: 'has no meaning with sizes: none',
  });

export type PoolConfig = z.output<typeof poolSchema>;

/** True for a pool that every node reaches. */
export const isShared = ({ nfs, hostPath }: PoolConfig): boolean => nfs !== undefined || hostPath?.shared === true;
