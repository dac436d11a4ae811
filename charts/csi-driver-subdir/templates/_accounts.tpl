{{/*
Who has which sidecars, as YAML: service account name -> {driver, sidecars, elected}. Rights follow from the sidecars
(rbac.yaml). The pods that only mount have none, and get no token.
*/}}
{{- define "subdir.accounts" -}}
{{- $snapshotter := ternary (list "snapshotter") list (not (empty (include "subdir.snapshots" .))) }}
{{- if .Values.local.enabled }}
local: {{ dict "driver" "local" "sidecars" (concat (list "provisioner") $snapshotter) "elected" false | toJson }}
local-resizer: {{ dict "driver" "local" "sidecars" (list "resizer") "elected" true | toJson }}
{{- end }}
{{- if .Values.shared.enabled }}
shared: {{ dict "driver" "shared" "sidecars" list "elected" false | toJson }}
shared-controller: {{ dict "driver" "shared" "sidecars" (concat (list "provisioner" "resizer") $snapshotter) "elected" true | toJson }}
{{- end }}
{{- if .Values.snapshotController.install }}
snapshot-controller: {{ dict "driver" "" "sidecars" (list "snapshotController") "elected" true | toJson }}
{{- end }}
{{- end }}

{{/* What a sidecar asks of the cluster, and no more: no secrets, no nodes, no pods. */}}
{{- define "subdir.rules.provisioner" -}}
- apiGroups: [""]
  resources: [persistentvolumes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, update]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses, volumeattributesclasses]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [snapshot.storage.k8s.io]
  resources: [volumesnapshots, volumesnapshotcontents]
  verbs: [get, list]
{{- end }}

{{- define "subdir.rules.resizer" -}}
- apiGroups: [""]
  resources: [persistentvolumes]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims/status]
  verbs: [patch]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses, volumeattributesclasses]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "subdir.rules.snapshotter" -}}
- apiGroups: [snapshot.storage.k8s.io, groupsnapshot.storage.k8s.io]
  resources: [volumesnapshotclasses, volumegroupsnapshotclasses]
  verbs: [get, list, watch]
- apiGroups: [snapshot.storage.k8s.io, groupsnapshot.storage.k8s.io]
  resources: [volumesnapshotcontents, volumegroupsnapshotcontents]
  verbs: [get, list, watch, update, patch]
- apiGroups: [snapshot.storage.k8s.io, groupsnapshot.storage.k8s.io]
  resources: [volumesnapshotcontents/status, volumegroupsnapshotcontents/status]
  verbs: [update, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "subdir.rules.snapshotController" -}}
- apiGroups: [""]
  resources: [persistentvolumes, nodes]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, update]
- apiGroups: [snapshot.storage.k8s.io, groupsnapshot.storage.k8s.io]
  resources: [volumesnapshotclasses, volumegroupsnapshotclasses]
  verbs: [get, list, watch]
- apiGroups: [snapshot.storage.k8s.io, groupsnapshot.storage.k8s.io]
  resources: [volumesnapshots, volumesnapshotcontents, volumegroupsnapshots, volumegroupsnapshotcontents]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [snapshot.storage.k8s.io, groupsnapshot.storage.k8s.io]
  resources:
    - volumesnapshots/status
    - volumesnapshotcontents/status
    - volumegroupsnapshots/status
    - volumegroupsnapshotcontents/status
  verbs: [update, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* In its own namespace: who is the leader, and, where nobody is elected, how much room there is on a node. */}}
{{- define "subdir.rules.elected" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch, delete]
{{- end }}

{{- define "subdir.rules.capacity" -}}
- apiGroups: [storage.k8s.io]
  resources: [csistoragecapacities]
  verbs: [get, list, watch, create, update, delete]
# Its own pod becomes the owner of the CSIStorageCapacity objects.
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
{{- end }}
