import { beforeAll, describe, expect, it } from 'vitest';
import { EVERYTHING, type Manifest, NFS, type Rule, render } from './chart.ts';

// What each part of the chart may do: to the cluster and to its node. A difference here is one that somebody must want.

describe('what the chart asks for', () => {
  let manifests: readonly Manifest[];
  beforeAll(async () => {
    manifests = await render(...EVERYTHING.filter((setting) => !setting.includes('registrar')));
  });

  const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
  const describeRule = ({ resources, verbs }: Rule): string => `${resources.join(', ')}: ${verbs.join(', ')}`;

  it('of the cluster', () => {
    const roles = [...ofKind('ClusterRole'), ...ofKind('Role')];
    const rights = roles.map(({ kind, metadata, rules = [] }) => [`${kind} ${metadata.name}`, rules.map(describeRule)]);
    expect(Object.fromEntries(rights)).toMatchInlineSnapshot(`
      {
        "ClusterRole csi-subdir-local": [
          "persistentvolumes: get, list, watch, create, patch, delete",
          "persistentvolumeclaims: get, list, watch, update",
          "storageclasses, volumeattributesclasses: get, list, watch",
          "events: create, patch",
          "volumesnapshots, volumesnapshotcontents: get, list",
          "volumesnapshotclasses, volumegroupsnapshotclasses: get, list, watch",
          "volumesnapshotcontents, volumegroupsnapshotcontents: get, list, watch, update, patch",
          "volumesnapshotcontents/status, volumegroupsnapshotcontents/status: update, patch",
          "events: create, patch",
        ],
        "ClusterRole csi-subdir-local-resizer": [
          "persistentvolumes: get, list, watch, patch",
          "persistentvolumeclaims: get, list, watch",
          "persistentvolumeclaims/status: patch",
          "storageclasses, volumeattributesclasses: get, list, watch",
          "events: create, patch",
        ],
        "ClusterRole csi-subdir-shared-controller": [
          "persistentvolumes: get, list, watch, create, patch, delete",
          "persistentvolumeclaims: get, list, watch, update",
          "storageclasses, volumeattributesclasses: get, list, watch",
          "events: create, patch",
          "volumesnapshots, volumesnapshotcontents: get, list",
          "persistentvolumes: get, list, watch, patch",
          "persistentvolumeclaims: get, list, watch",
          "persistentvolumeclaims/status: patch",
          "storageclasses, volumeattributesclasses: get, list, watch",
          "events: create, patch",
          "volumesnapshotclasses, volumegroupsnapshotclasses: get, list, watch",
          "volumesnapshotcontents, volumegroupsnapshotcontents: get, list, watch, update, patch",
          "volumesnapshotcontents/status, volumegroupsnapshotcontents/status: update, patch",
          "events: create, patch",
        ],
        "ClusterRole csi-subdir-snapshot-controller": [
          "persistentvolumes, nodes: get, list, watch",
          "persistentvolumeclaims: get, list, watch, update",
          "volumesnapshotclasses, volumegroupsnapshotclasses: get, list, watch",
          "volumesnapshots, volumesnapshotcontents, volumegroupsnapshots, volumegroupsnapshotcontents: get, list, watch, create, update, patch, delete",
          "volumesnapshots/status, volumesnapshotcontents/status, volumegroupsnapshots/status, volumegroupsnapshotcontents/status: update, patch",
          "events: create, patch",
        ],
        "Role csi-subdir-local": [
          "csistoragecapacities: get, list, watch, create, update, delete",
          "pods: get",
        ],
        "Role csi-subdir-local-resizer": [
          "leases: get, list, watch, create, update, patch, delete",
        ],
        "Role csi-subdir-shared-controller": [
          "leases: get, list, watch, create, update, patch, delete",
        ],
        "Role csi-subdir-snapshot-controller": [
          "leases: get, list, watch, create, update, patch, delete",
        ],
      }
    `);
  });

  it('of the node', () => {
    const containers = manifests.flatMap(({ metadata, spec }) =>
      (spec?.template?.spec.containers ?? []).map(({ name, securityContext: { privileged, capabilities } }) => [
        `${metadata.name} ${name}`,
        privileged ? 'privileged' : (capabilities?.add ?? []).join(', '),
      ]),
    );
    expect(Object.fromEntries(containers)).toMatchInlineSnapshot(`
      {
        "csi-subdir-local driver": "privileged",
        "csi-subdir-local provisioner": "",
        "csi-subdir-local snapshotter": "",
        "csi-subdir-local-resizer resizer": "",
        "csi-subdir-shared driver": "privileged",
        "csi-subdir-shared-controller driver": "CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP, SYS_ADMIN, SYS_CHROOT",
        "csi-subdir-shared-controller provisioner": "",
        "csi-subdir-shared-controller resizer": "",
        "csi-subdir-shared-controller snapshotter": "",
        "csi-subdir-snapshot-controller snapshot-controller": "",
      }
    `);
  });

  it('never secrets, never a wildcard', () => {
    const rules = manifests.flatMap(({ rules = [] }) => rules);
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
    expect(words).not.toContain('*');
    expect(words).not.toContain('secrets');
  });

  it('no token for the driver, and none for pods that only mount', () => {
    const mountsToken = manifests.flatMap(({ metadata, spec }) =>
      (spec?.template?.spec.containers ?? [])
        .filter(({ volumeMounts }) => volumeMounts.some(({ name }) => name === 'token'))
        .map(({ name }) => `${metadata.name} ${name}`),
    );
    expect(mountsToken.filter((who) => who.endsWith(' driver') || who.startsWith('csi-subdir-shared '))).toEqual([]);
    const bound = ofKind('ClusterRoleBinding').map(({ metadata }) => metadata.name);
    expect(bound).not.toContain('csi-subdir-shared');
  });

  it('of a controller that runs on the server itself, the path behind the export', async () => {
    const there = await render(...NFS, 'shared.pools.nas.nfs.controller.localPath=/srv/export');
    const mountsOf = (name: string) =>
      there.find(({ metadata, spec }) => spec?.template && metadata.name === name)?.spec?.template?.spec.containers[0]
        ?.volumeMounts;
    const path = expect.objectContaining({ mountPath: '/srv/export' });
    expect(mountsOf('csi-subdir-shared-controller')).toContainEqual(path);
    expect(mountsOf('csi-subdir-shared')).not.toContainEqual(path);
  });
});
