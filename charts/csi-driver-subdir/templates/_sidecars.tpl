{{/* A sidecar (dict "part", "sidecar", "args" (YAML), "env" (YAML)). */}}
{{- define "subdir.sidecar" -}}
{{- $values := index .part.root.Values.sidecars .sidecar }}
- name: {{ .sidecar }}
  image: {{ $values.image }}
  imagePullPolicy: {{ .part.root.Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/csi.sock
    {{- .args | nindent 4 }}
    {{- range $values.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  {{- with .env }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "subdir.sidecarSecurity" . | nindent 4 }}
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  volumeMounts:
    - { name: socket, mountPath: /csi }
    {{- if ne .sidecar "registrar" }}
    - { name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
    {{- else }}
    - { name: registration, mountPath: /registration }
    {{- end }}
{{- end }}

{{- define "subdir.sidecarSecurity" -}}
# Root, because the driver's socket is root's; nothing else of root's powers.
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
# SELinux's type for containers may not reach a socket on the node's disk.
seLinuxOptions: { type: spc_t }
{{- end }}

{{/* More calls of the API server at once than the default of 5 a second: many claims at once are bound in seconds. */}}
{{- define "subdir.apiRate" -}}
- --kube-api-qps=50
- --kube-api-burst=100
{{- end }}

{{/* Of several pods one works. */}}
{{- define "subdir.election" -}}
- --leader-election
- --leader-election-namespace=$(NAMESPACE)
{{- end }}

{{- define "subdir.sidecar.provisioner" -}}
{{- include "subdir.sidecar" (dict "part" . "sidecar" "provisioner" "args" (include "subdir.provisionerArgs" .) "env" (include "subdir.downward" .)) }}
{{- end }}

{{- define "subdir.provisionerArgs" -}}
{{- if eq .driver "local" -}}
# Makes and deletes the volumes of its own node, and publishes how much room there is.
- --node-deployment
- --strict-topology
- --immediate-topology=false
# How long nodes wait for each other before one of them takes a claim that is to be bound at once.
- --node-deployment-base-delay=2s
- --enable-capacity
# What it has published goes with its pod: a node that has no driver any more offers no room.
- --capacity-ownerref-level=0
{{- else -}}
{{ include "subdir.election" . }}
{{- end }}
# Which claim a volume is for: the names of directories are made from it.
- --extra-create-metadata
- --timeout=60s
# Its default lets a claim wait up to five minutes after the driver is well again.
- --retry-interval-max=30s
{{ include "subdir.apiRate" . }}
{{- end }}

{{- define "subdir.sidecar.resizer" -}}
{{- include "subdir.sidecar" (dict "part" . "sidecar" "resizer" "args" (include "subdir.resizerArgs" .) "env" (include "subdir.downward" .)) }}
{{- end }}

{{- define "subdir.resizerArgs" -}}
{{ include "subdir.election" . }}
# A directory grows while it is used: no need to know the pods that use it.
- --handle-volume-inuse-error=false
{{- if not (include "subdir.attributesClasses" .root) }}
- --feature-gates=VolumeAttributesClass=false
{{- end }}
- --timeout=60s
- --retry-interval-max=30s
{{ include "subdir.apiRate" . }}
{{- end }}

{{- define "subdir.sidecar.snapshotter" -}}
{{- if include "subdir.snapshots" .root }}
{{- include "subdir.sidecar" (dict "part" . "sidecar" "snapshotter" "args" (include "subdir.snapshotterArgs" .) "env" (include "subdir.downward" .)) }}
{{- end }}
{{- end }}

{{- define "subdir.snapshotterArgs" -}}
{{- if eq .driver "local" -}}
- --node-deployment
{{- else -}}
{{ include "subdir.election" . }}
{{- end }}
- --timeout=60s
- --retry-interval-max=30s
{{ include "subdir.apiRate" . }}
{{- end }}

{{/* node-driver-registrar, where the driver shall not register itself. */}}
{{- define "subdir.sidecar.registrar" -}}
{{- if .root.Values.sidecars.registrar.enabled }}
{{- include "subdir.sidecar" (dict "part" . "sidecar" "registrar" "args" (printf "- --kubelet-registration-path=%s/csi.sock" (include "subdir.pluginDir" .))) }}
{{- end }}
{{- end }}

{{- define "subdir.downward" -}}
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
{{- end }}

{{/* The token of the service account, for sidecars to mount: as Kubernetes itself would mount it into every container. */}}
{{- define "subdir.tokenVolume" -}}
- name: token
  projected:
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3607 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end }}
