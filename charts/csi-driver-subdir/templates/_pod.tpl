{{/* The metadata of a part's pods. */}}
{{- define "subdir.podMetadata" -}}
labels:
  {{- include "subdir.selector" . | nindent 2 }}
  {{- with merge .workload.podLabels .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := .workload.podAnnotations }}
{{- if .mode }}
{{- $annotations = merge (include "subdir.driverAnnotations" . | fromYaml) $annotations }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The driver reads its pools at start: other pools, other pods. */}}
{{- define "subdir.driverAnnotations" -}}
kubectl.kubernetes.io/default-container: driver
csi-subdir.dev/config: {{ include "subdir.config" . | sha256sum | trunc 16 }}
{{- end }}

{{/* What a part's pod has beside its containers and volumes. */}}
{{- define "subdir.podSpec" -}}
serviceAccountName: {{ include "subdir.name" . }}
automountServiceAccountToken: false
priorityClassName: {{ .workload.priorityClassName }}
dnsPolicy: {{ .root.Values.dnsPolicy }}
nodeSelector:
  {{- merge (dict "kubernetes.io/os" "linux") .workload.nodeSelector | toYaml | nindent 2 }}
{{- with .workload.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Where metrics and probes are served: in the pod's network at its address. In the node's network that is the node's address,
which everybody reaches: there only probes are let in, unless Prometheus comes as well.
*/}}
{{- define "subdir.httpHost" -}}
{{- $isOnNode := and (eq .driver "shared") (eq .mode "node") }}
{{- $isScraped := .root.Values.monitoring.podMonitor.enabled }}
{{- .root.Values.httpHost | default (ternary "127.0.0.1" "$(POD_IP)" (and $isOnNode (not $isScraped))) }}
{{- end }}

{{/* The kubelet probes the pod's address if nothing else is said. */}}
{{- define "subdir.probeHost" -}}
{{- if eq (include "subdir.httpHost" .) "127.0.0.1" }}, host: 127.0.0.1{{ end }}
{{- end }}

{{/* The driver's container, of a part with two keys more: mode and port. */}}
{{- define "subdir.driver" -}}
- name: driver
  image: {{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    - serve
    - --mode={{ .mode }}
    - --driver-name={{ .values.driverName }}
    - --config=/etc/csi-subdir/config.yaml
    - --socket=/csi/csi.sock
    - --http={{ include "subdir.httpHost" . }}:{{ .port }}
    - --log-level={{ .root.Values.logLevel }}
    {{- if eq .mode "controller" }}
    - --state-dir=/state
    {{- else }}
    - --kubelet-dir={{ .root.Values.kubeletDir }}
    - --max-volumes-per-node={{ int .workload.maxVolumes }}
    {{- if not .root.Values.sidecars.registrar.enabled }}
    - --registration-dir=/registration
    # The same socket as the kubelet sees it.
    - --registration-endpoint={{ include "subdir.pluginDir" . }}/csi.sock
    {{- end }}
    {{- end }}
    {{- range .workload.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: CSI_SUBDIR_NODE_ID
      valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
    - name: POD_IP
      valueFrom: { fieldRef: { fieldPath: status.podIP } }
    {{- with .workload.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  securityContext:
    {{- include (ternary "subdir.controllerSecurity" "subdir.nodeSecurity" (eq .mode "controller")) . | nindent 4 }}
  ports: [{ name: http, containerPort: {{ .port }} }]
  # Two minutes, for a small machine that starts everything at once. Pools are opened after /healthz is served.
  startupProbe:
    httpGet: { path: /healthz, port: http{{ include "subdir.probeHost" . }} }
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 60
  livenessProbe:
    httpGet: { path: /healthz, port: http{{ include "subdir.probeHost" . }} }
    timeoutSeconds: 5
  readinessProbe:
    httpGet: { path: /readyz, port: http{{ include "subdir.probeHost" . }} }
    periodSeconds: 5
    timeoutSeconds: 5
  resources:
    {{- toYaml .workload.resources | nindent 4 }}
  volumeMounts:
    - { name: config, mountPath: /etc/csi-subdir, readOnly: true }
    - { name: socket, mountPath: /csi }
    {{- if ne .mode "controller" }}
    {{- if not .root.Values.sidecars.registrar.enabled }}
    - { name: registration, mountPath: /registration }
    {{- end }}
    - { name: kubelet, mountPath: {{ .root.Values.kubeletDir }}, mountPropagation: Bidirectional }
    {{- else }}
    - { name: state, mountPath: /state }
    {{- end }}
    {{- if eq .driver "shared" }}
    - { name: exports, mountPath: /run/csi-subdir }
    {{- end }}
    {{- include "subdir.poolMounts" . | trim | nindent 4 }}
    {{- with .workload.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "subdir.nodeSecurity" -}}
# Mounts made in here must be seen on the host (Bidirectional): Kubernetes allows that to privileged containers only.
privileged: true
readOnlyRootFilesystem: true
{{- end }}

{{- define "subdir.controllerSecurity" -}}
# Root, because volume directories and what is in them belong to anybody. Of root's powers those to make, give away, copy
# and remove files of others (the first six), and to mount an export, to set limits, to copy in a mount namespace of its
# own (the last two).
runAsUser: 0
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  add: [CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP, SYS_ADMIN, SYS_CHROOT]
seccompProfile: { type: RuntimeDefault }
# AppArmor's profile for containers forbids mount(2), whatever the capabilities are, and so does SELinux's type for them.
appArmorProfile: { type: Unconfined }
seLinuxOptions: { type: spc_t }
{{- end }}

{{/* The volumes of a pod with a driver in it. */}}
{{- define "subdir.driverVolumes" -}}
- name: config
  configMap: { name: {{ .root.Release.Name }}-{{ .driver }} }
{{- if eq .mode "controller" }}
- name: socket
  emptyDir: {}
# Which pools exist: the node remembers it, whatever becomes of this pod and of the release.
- name: state
  hostPath: { path: {{ include "subdir.pluginDir" . }}/pools, type: DirectoryOrCreate }
{{- else }}
- name: socket
  hostPath: { path: {{ include "subdir.pluginDir" . }}, type: DirectoryOrCreate }
- name: registration
  hostPath: { path: {{ .root.Values.kubeletDir }}/plugins_registry, type: Directory }
- name: kubelet
  hostPath: { path: {{ .root.Values.kubeletDir }}, type: Directory }
{{- end }}
{{- if eq .driver "shared" }}
# Where exports are mounted, for nobody else to see.
- name: exports
  emptyDir: {}
{{- end }}
{{- include "subdir.poolVolumes" . | trim | nindent 0 }}
{{- with .workload.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "subdir.pluginDir" -}}
{{ .root.Values.kubeletDir }}/plugins/{{ .values.driverName }}
{{- end }}
