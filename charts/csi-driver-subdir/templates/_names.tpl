{{/*
Most templates take a part: one of the workloads that the chart is made of, as a dict.

  root      the chart's context ($)
  driver    "local" or "shared"
  values    .Values.local or .Values.shared
  workload  the part's own values below them
  name      what follows the release in its name: local, local-resizer, shared, shared-controller
*/}}

{{- define "subdir.name" -}}
{{ .root.Release.Name }}-{{ .name }}
{{- end }}

{{- define "subdir.labels" -}}
{{ include "subdir.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "subdir.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* The metadata of an object in the release's namespace. */}}
{{- define "subdir.metadata" -}}
name: {{ include "subdir.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "subdir.labels" . | nindent 2 }}
{{- end }}

{{- define "subdir.clusterMetadata" -}}
name: {{ include "subdir.name" . }}
labels:
  {{- include "subdir.labels" . | nindent 2 }}
{{- end }}

{{/* The metadata of a class (dict "part", "name", "class", "defaultAnnotation"). */}}
{{- define "subdir.classMetadata" -}}
name: {{ .name }}
labels:
  {{- include "subdir.labels" .part | nindent 2 }}
  {{- with .class.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := .class.annotations | default dict }}
{{- if .class.default }}
{{- $annotations = merge (dict .defaultAnnotation "true") $annotations }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* "true" where snapshots are wanted and can be. */}}
{{- define "subdir.snapshots" -}}
{{- if or (eq (toString .Values.snapshots) "true")
          (and (eq (toString .Values.snapshots) "auto") (.Capabilities.APIVersions.Has "snapshot.storage.k8s.io/v1")) }}true{{ end }}
{{- end }}

{{/* "true" where the cluster knows VolumeAttributesClasses. */}}
{{- define "subdir.attributesClasses" -}}
{{- if .Capabilities.APIVersions.Has "storage.k8s.io/v1/VolumeAttributesClass" }}true{{ end }}
{{- end }}
