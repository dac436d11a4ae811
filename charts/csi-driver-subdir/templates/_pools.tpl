{{/* The pools that are not taken away (`main: null`), as YAML: name -> pool. */}}
{{- define "subdir.pools" -}}
{{- range $name, $pool := .values.pools }}
{{- if $pool }}
{{ dict $name $pool | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Ends the rendering where a driver has no pools; answers them otherwise. */}}
{{- define "subdir.somePools" -}}
{{- $pools := include "subdir.pools" . | trim }}
{{- required (printf "%s.pools: name at least one pool, or set %s.enabled=false" .driver .driver) $pools }}
{{- end }}

{{/* The pool of a StorageClass (dict "part", "class", "name"). It is always written down: a class cannot be changed later,
     and must mean the same when there is a second pool. */}}
{{- define "subdir.poolOf" -}}
{{- $names := keys (include "subdir.somePools" .part | fromYaml) | sortAlpha }}
{{- $pool := dig "parameters" "pool" "" .class }}
{{- $where := printf "%s.storageClasses.%s.parameters.pool" .part.driver .name }}
{{- if and (not $pool) (gt (len $names) 1) }}
{{- fail (printf "%s: there are several pools, expected one of %s" $where (join ", " $names)) }}
{{- end }}
{{- if and $pool (not (has $pool $names)) }}
{{- fail (printf "%s: expected one of %s, got %s" $where (join ", " $names) $pool) }}
{{- end }}
{{- $pool | default (first $names) }}
{{- end }}

{{/* The volumes of a pod, and the mounts of its driver, for the pools that are paths: name, path, how they are mounted. */}}
{{- define "subdir.poolVolumes" -}}
{{- $type := .values.hostPathType }}
{{- range $name, $path := include "subdir.poolPaths" . | fromYaml }}
- name: pool-{{ $name }}
  hostPath: { path: {{ $path | quote }}{{ with $type }}, type: {{ . }}{{ end }} }
{{- end }}
{{- end }}

{{- define "subdir.poolMounts" -}}
{{- /* Only where the host's mount is shared can a container see later mounts; on some hosts / is private. */}}
{{- $propagation := ternary ", mountPropagation: HostToContainer" "" (eq .driver "shared") }}
{{- range $name, $path := include "subdir.poolPaths" . | fromYaml }}
- { name: pool-{{ $name }}, mountPath: {{ $path | quote }}{{ $propagation }} }
{{- end }}
{{- end }}

{{/* Pool name -> path of the host. Of a shared path the folder above: what is mounted there later is then seen, too. The
     path behind an export (localPath) is the controller's alone. */}}
{{- define "subdir.poolPaths" -}}
{{- $part := . }}
{{- range $name, $pool := include "subdir.somePools" . | fromYaml }}
{{- if and $pool.hostPath (eq $part.driver "shared") }}
{{ $name }}: {{ dir $pool.hostPath.path | quote }}
{{- else if $pool.hostPath }}
{{ $name }}: {{ $pool.hostPath.path | quote }}
{{- else if eq $part.name "shared-controller" }}
{{- with dig "controller" "localPath" "" $pool.nfs }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
