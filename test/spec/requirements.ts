/**
 * What CSI 1.12 requires of a plugin, in our words, and what proves it of this one. docs/reference/csi.md has it as
 * tables; requirements.test.ts fails where a test that is named here does not exist.
 */
export interface Requirement {
  readonly rpc: string;
  readonly strength: 'MUST' | 'MUST NOT' | 'SHALL' | 'SHALL NOT';
  readonly text: string;
  readonly proofs: readonly Proof[];
}

export type Proof =
  | { readonly by: 'csi-sanity'; readonly title: string }
  | { readonly by: 'test'; readonly file: string; readonly title: string };

export const requirementsOf = (): readonly Requirement[] =>
  Object.entries(REQUIREMENTS).flatMap(([rpc, rows]) =>
    rows.map(([strength, text, ...proofs]) => ({ rpc, strength, text, proofs })),
  );

type Row = readonly [Requirement['strength'], string, Proof, ...Proof[]];

const sanity = (title: string): Proof => ({ by: 'csi-sanity', title });
const test =
  (file: string) =>
  (title: string): Proof => ({ by: 'test', file: `test/driver/${file}.test.ts`, title });
const [spec, match, hostile, snapshot, copying] = [
  test('spec'),
  test('match'),
  test('hostile'),
  test('snapshot'),
  test('copying'),
];
const [lifecycle, purge, races, crash] = [test('lifecycle'), test('purge'), test('races'), test('crash')];

const CODES: Row = [
  'MUST',
  'A call that cannot be completed ends with a code that is not OK, and with the code of the error table where it has one',
  hostile('gets a clear answer from every RPC, and nothing else happens'),
];

const REQUIREMENTS: Readonly<Record<string, readonly Row[]>> = {
  'every RPC': [
    CODES,
    [
      'MUST',
      'A required field that is missing is refused',
      hostile('gets a clear answer from every RPC, and nothing else happens'),
    ],
    [
      'SHALL NOT',
      'Texts are at most 128 bytes, maps at most 4 KiB',
      hostile('gets a clear answer from every RPC, and nothing else happens'),
    ],
    [
      'MUST NOT',
      'Secrets do not leak',
      test('secrets')('is in no log, no answer, no metric, no record and no command line'),
    ],
    [
      'MUST',
      'Calls are idempotent: a call that a crash has ended is completed by the same call',
      crash('killed at every step, then asked again'),
      test('snapshot-crash')('a copy that is killed at every step, then asked for again'),
    ],
  ],
  GetPluginInfo: [
    [
      'MUST',
      'The name is a domain name of at most 63 characters',
      sanity('GetPluginInfo should return appropriate information'),
    ],
  ],
  GetPluginCapabilities: [
    [
      'SHALL',
      'Every instance returns the same, whatever it serves',
      spec('identity: capabilities do not depend on what an instance serves'),
    ],
    [
      'MUST',
      'Expansion is claimed together with the RPC that expands',
      sanity('GetPluginCapabilities should return appropriate capabilities'),
    ],
  ],
  Probe: [
    ['MUST', 'It is implemented', sanity('Probe should return appropriate information')],
    [
      'SHALL',
      'A plugin that is healthy and not ready succeeds with `ready: false`',
      test('process')('serves the other pools while one is not open, and reports the reason'),
    ],
  ],
  CreateVolume: [
    [
      'MUST',
      'The same request again returns the same volume',
      sanity(
        'CreateVolume should not fail when requesting to create a volume with already existing name and same capacity',
      ),
      spec('CreateVolume: the same name with anything else is ALREADY_EXISTS, the same request gives the same volume'),
      races('twenty identical CreateVolumes make one volume'),
    ],
    [
      'MUST',
      'A name that is taken by another request is ALREADY_EXISTS',
      sanity(
        'CreateVolume should fail when requesting to create a volume with already existing name and different capacity',
      ),
      spec('CreateVolume: the same name with anything else is ALREADY_EXISTS, the same request gives the same volume'),
    ],
    [
      'MUST',
      '`mutable_parameters` take precedence over `parameters`',
      spec('CreateVolume: mutable parameters take precedence over parameters'),
    ],
    [
      'MUST',
      'The volume is at least `required_bytes` and at most `limit_bytes`; neither may be negative',
      spec('CreateVolume: the size is within the range that was asked for'),
    ],
    [
      'MUST',
      'A capacity range that cannot be had is OUT_OF_RANGE',
      spec('CreateVolume: the size is within the range that was asked for'),
    ],
    [
      'MUST',
      'Only capabilities that are supported are accepted',
      match('for block access is not confirmed, and there is no capacity for it'),
      spec('every access mode that is claimed is accepted, and the older one beside the newer ones'),
    ],
    [
      'MUST',
      'A source is honoured, and reported in the answer',
      sanity('CreateVolume should create volume from an existing source snapshot'),
      sanity('CreateVolume should create volume from an existing source volume'),
      spec('CreateVolume: a source is reported, and may not be larger than the volume'),
    ],
    [
      'MUST',
      'A source that does not exist is NOT_FOUND',
      sanity('CreateVolume should fail when the volume source snapshot is not found'),
      sanity('CreateVolume should fail when the volume source volume is not found'),
    ],
    [
      'MUST',
      'A volume that is smaller than its source is OUT_OF_RANGE',
      spec('CreateVolume: a source is reported, and may not be larger than the volume'),
    ],
    [
      'MUST',
      'With topology, the volume is accessible from one of the topologies that were asked for, or the call is RESOURCE_EXHAUSTED',
      spec('CreateVolume: the topology of the volume is one that was asked for, or there is none'),
    ],
    [
      'SHALL',
      'The id has at most 128 bytes',
      sanity('CreateVolume should not fail when creating volume with maximum-length name'),
    ],
    [
      'MUST',
      'Parameters of a VolumeAttributesClass are applied, or refused',
      sanity('CreateVolume should create volume with a volume attribute class'),
      sanity('CreateVolume should not create volume with an invalid volume attribute class'),
    ],
  ],
  DeleteVolume: [
    [
      'MUST',
      'It succeeds for a volume that does not exist',
      sanity('DeleteVolume should succeed when an invalid volume id is used'),
    ],
    [
      'MUST',
      'A volume in use is FAILED_PRECONDITION',
      purge('of a volume that is mounted on this node is refused until it is unmounted'),
    ],
    [
      'MUST',
      'Snapshots of a deleted volume stay usable',
      snapshot('holds what was there when it was taken, and outlives its volume'),
    ],
  ],
  'ControllerPublishVolume, ControllerUnpublishVolume': [
    ['MUST', 'What is not claimed is UNIMPLEMENTED', spec('what is not claimed is UNIMPLEMENTED')],
  ],
  ValidateVolumeCapabilities: [
    [
      'SHALL',
      '`confirmed` only where all capabilities are supported',
      sanity('ValidateVolumeCapabilities should return appropriate values (no optional values added)'),
      match('for block access is not confirmed, and there is no capacity for it'),
    ],
    [
      'MUST',
      'A volume that does not exist is NOT_FOUND',
      sanity('ValidateVolumeCapabilities should fail when the requested volume does not exist'),
    ],
    [
      'MUST',
      '`volume_context` is that of the volume',
      match('with the volume_context of another volume is INVALID_ARGUMENT'),
    ],
  ],
  ListVolumes: [
    [
      'SHALL',
      'Every volume is listed',
      sanity('ListVolumes check the presence of new volumes and absence of deleted ones in the volume list'),
    ],
    [
      'MUST',
      'A page has at most `max_entries`, and a token where there is more; a negative number is refused',
      test('disk')('is listed in pages that stay right while volumes come and go'),
      spec('lists: never more entries than asked for, and a negative number is INVALID_ARGUMENT'),
    ],
    [
      'MUST',
      'A token that is not one is ABORTED',
      sanity('ListVolumes should fail when an invalid starting_token is passed'),
    ],
    ['MUST', 'Each volume has its condition', match('to list volumes reports the condition of each')],
  ],
  ControllerGetVolume: [
    [
      'MUST',
      'A volume that does not exist is NOT_FOUND',
      spec('ControllerGetVolume: a volume that does not exist is NOT_FOUND, one that exists has a condition'),
    ],
    [
      'MUST',
      'The answer has a condition',
      spec('ControllerGetVolume: a volume that does not exist is NOT_FOUND, one that exists has a condition'),
    ],
  ],
  ControllerModifyVolume: [
    [
      'MUST',
      'A volume that does not exist is NOT_FOUND',
      sanity('ModifyVolume [Controller Server] should fail if volume does not exist'),
    ],
    [
      'MUST NOT',
      'Of parameters that are refused (INVALID_ARGUMENT) nothing is applied',
      spec('ControllerModifyVolume: the same again is fine, and of what is refused nothing is applied'),
    ],
    [
      'MUST',
      'The same request again succeeds',
      spec('ControllerModifyVolume: the same again is fine, and of what is refused nothing is applied'),
      sanity('ModifyVolume [Controller Server] should modify a volume created with a volume attribute class'),
    ],
  ],
  GetCapacity: [
    [
      'SHALL',
      'Pool, capabilities and topology are taken into account, and no value is negative. Parameters that CreateVolume refuses change nothing: with 0 the scheduler would report a lack of space, and nobody the reason',
      sanity('GetCapacity should return capacity (no optional values added)'),
      spec('GetCapacity: what parameters, capabilities and topology ask for is taken into account'),
    ],
  ],
  ControllerGetCapabilities: [
    ['MUST', 'It is implemented', sanity('ControllerGetCapabilities should return appropriate capabilities')],
    [
      'MUST',
      'SINGLE_NODE_WRITER is accepted beside the newer modes of SINGLE_NODE_MULTI_WRITER',
      spec('every access mode that is claimed is accepted, and the older one beside the newer ones'),
    ],
  ],
  CreateSnapshot: [
    [
      'MUST',
      'It blocks until the snapshot is cut',
      snapshot('holds what was there when it was taken, and outlives its volume'),
      copying('goes on in the background and is joined by the same call (shared: %s)'),
    ],
    [
      'MUST',
      'The same request again returns the same snapshot',
      sanity(
        'CreateSnapshot [Controller Server] should succeed when requesting to create a snapshot with already existing name and same source volume ID',
      ),
    ],
    [
      'MUST',
      'A name with another source is ALREADY_EXISTS',
      sanity(
        'CreateSnapshot [Controller Server] should fail when requesting to create a snapshot with already existing name and different source volume ID',
      ),
    ],
    [
      'MUST',
      'A source that does not exist is NOT_FOUND',
      spec('CreateSnapshot: a source that does not exist is NOT_FOUND'),
    ],
    [
      'MUST NOT',
      'A volume from the snapshot need not be larger than its `size_bytes`',
      match('for a snapshot answers with the size of its volume, and a volume of that size can be restored'),
    ],
    ['SHALL', 'A failure in any stage ends with an error', copying('that fills the disk is taken back, and says so')],
  ],
  DeleteSnapshot: [
    [
      'MUST',
      'It succeeds for a snapshot that does not exist',
      sanity('DeleteSnapshot [Controller Server] should succeed when an invalid snapshot id is used'),
    ],
    [
      'MUST',
      'A member of a group is deleted with its group only',
      spec(
        'groups: other sources for the same name are ALREADY_EXISTS, members know their group and have no life of their own',
      ),
    ],
  ],
  ListSnapshots: [
    [
      'SHALL',
      'Every snapshot is listed',
      sanity('ListSnapshots [Controller Server] check the presence of new snapshots in the snapshot list'),
    ],
    [
      'SHALL NOT',
      'A snapshot that is not cut is not listed',
      copying('goes on in the background and is joined by the same call (shared: %s)'),
    ],
    [
      'MUST',
      'A page has at most `max_entries`, and a token where there is more; a negative number is refused',
      sanity(
        'ListSnapshots [Controller Server] should return next token when a limited number of entries are requested',
      ),
      spec('lists: never more entries than asked for, and a negative number is INVALID_ARGUMENT'),
    ],
  ],
  GetSnapshot: [
    [
      'MUST',
      'A snapshot that does not exist is NOT_FOUND',
      sanity('GetSnapshot [Controller Server] should return an error when the specified snapshot id does not exist'),
    ],
  ],
  ControllerExpandVolume: [
    [
      'MUST',
      'The same request again succeeds, and a volume that is large enough stays as it is',
      spec(
        'expansion: the same again is fine, a volume never shrinks, and what cannot be is OUT_OF_RANGE or NOT_FOUND',
      ),
      sanity('ExpandVolume [Controller Server] should work'),
    ],
    [
      'MUST',
      'NOT_FOUND for a volume that does not exist, OUT_OF_RANGE for a range that cannot be had',
      spec(
        'expansion: the same again is fine, a volume never shrinks, and what cannot be is OUT_OF_RANGE or NOT_FOUND',
      ),
    ],
  ],
  GroupControllerGetCapabilities: [
    ['MUST', 'It is implemented', sanity('GroupControllerGetCapabilities should return appropriate capabilities')],
  ],
  CreateVolumeGroupSnapshot: [
    [
      'MUST',
      'The same request again returns the same group; a name with other sources is ALREADY_EXISTS',
      spec(
        'groups: other sources for the same name are ALREADY_EXISTS, members know their group and have no life of their own',
      ),
    ],
    ['MUST', 'All members or none', snapshot('is not taken where another one of its group cannot be')],
    [
      'MUST',
      'Each member has the id of its group',
      spec(
        'groups: other sources for the same name are ALREADY_EXISTS, members know their group and have no life of their own',
      ),
    ],
  ],
  DeleteVolumeGroupSnapshot: [
    [
      'MUST',
      'It succeeds for a group that does not exist',
      sanity('DeleteVolumeGroupSnapshot should succeed when an invalid volume id is used'),
    ],
    ['MUST', '`snapshot_ids` are those of the group', match('for a group that exists names its snapshots')],
  ],
  GetVolumeGroupSnapshot: [
    [
      'MUST',
      'A group that does not exist is NOT_FOUND',
      sanity('GetVolumeGroupSnapshot should fail when an invalid volume id is used'),
    ],
    ['MUST', '`snapshot_ids` are those of the group', match('for a group that exists names its snapshots')],
  ],
  NodeStageVolume: [
    [
      'MUST',
      'A volume that is staged already as asked for is OK',
      spec(
        'node: staging and publishing again is fine, otherwise than before is ALREADY_EXISTS, undoing twice is fine',
      ),
      races('stage, publish, unpublish and unstage at once leave no mount behind and never stack one'),
    ],
    [
      'MUST',
      'A volume that does not exist is NOT_FOUND',
      spec('node: a volume that does not exist is NOT_FOUND, and no staging path is FAILED_PRECONDITION'),
    ],
    [
      'MUST',
      'A path of 128 bytes is accepted; it is absolute',
      spec('node: a path of 128 bytes is accepted, and one that is not absolute is not'),
    ],
    [
      'MUST',
      '`volume_context` is that of the volume',
      match('with the volume_context of another volume is INVALID_ARGUMENT'),
    ],
  ],
  NodeUnstageVolume: [
    [
      'MUST',
      'It undoes NodeStageVolume, and succeeds where nothing is staged',
      spec(
        'node: staging and publishing again is fine, otherwise than before is ALREADY_EXISTS, undoing twice is fine',
      ),
    ],
  ],
  NodePublishVolume: [
    [
      'MUST',
      'A volume that is published already as asked for is OK, otherwise ALREADY_EXISTS',
      spec(
        'node: staging and publishing again is fine, otherwise than before is ALREADY_EXISTS, undoing twice is fine',
      ),
    ],
    [
      'MUST',
      'No staging path is FAILED_PRECONDITION',
      spec('node: a volume that does not exist is NOT_FOUND, and no staging path is FAILED_PRECONDITION'),
    ],
    [
      'MUST',
      '`readonly` and the access mode are kept',
      lifecycle('keeps what a pod has written for the next pod'),
      lifecycle('allows one target only for ReadWriteOncePod'),
    ],
    [
      'MUST',
      'SINGLE_NODE_SINGLE_WRITER has one target on a node: FAILED_PRECONDITION for another one',
      sanity(
        'with single node multi writer capability should fail when volume with single node single writer access mode is already mounted at a different target path',
      ),
    ],
    [
      'MUST',
      '`volume_context` is that of the volume',
      match('with the volume_context of another volume is INVALID_ARGUMENT'),
    ],
  ],
  NodeUnpublishVolume: [
    ['MUST', 'It removes what was created at the target', sanity('NodeUnpublishVolume should remove target path')],
    [
      'MUST',
      'It succeeds where nothing is published',
      spec(
        'node: staging and publishing again is fine, otherwise than before is ALREADY_EXISTS, undoing twice is fine',
      ),
    ],
  ],
  NodeGetVolumeStats: [
    [
      'MUST',
      'A volume that is not at the path is NOT_FOUND',
      sanity('NodeGetVolumeStats should fail when volume does not exist on the specified path'),
      match('for the statistics of a volume that is not mounted at the path is NOT_FOUND'),
    ],
    [
      'MUST',
      'No value is negative, and the volume has a condition',
      spec('node: statistics are never negative, and have a condition'),
    ],
  ],
  NodeExpandVolume: [
    [
      'MUST',
      'The same request again succeeds',
      sanity('NodeExpandVolume should work'),
      spec(
        'expansion: the same again is fine, a volume never shrinks, and what cannot be is OUT_OF_RANGE or NOT_FOUND',
      ),
    ],
    [
      'MUST',
      'A volume that does not exist is NOT_FOUND',
      sanity('NodeExpandVolume should fail when volume is not found'),
    ],
    ['MUST', 'The path is where the volume is in use', match('to expand a volume names where it is in use')],
  ],
  NodeGetCapabilities: [
    ['MUST', 'It is implemented', sanity('NodeGetCapabilities should return appropriate capabilities')],
  ],
  NodeGetInfo: [
    [
      'SHALL NOT',
      'The id of the node has at most 256 bytes, and no number is negative',
      sanity('NodeGetInfo should return appropriate values'),
      spec('node: what it says of itself fits, and a local driver says where it is'),
    ],
    [
      'MUST',
      'A topology is returned together with VOLUME_ACCESSIBILITY_CONSTRAINTS',
      spec('node: what it says of itself fits, and a local driver says where it is'),
    ],
  ],
};
