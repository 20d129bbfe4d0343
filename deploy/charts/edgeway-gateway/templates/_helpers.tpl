{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "gateway.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ include "gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: gateway
app.kubernetes.io/part-of: edgeway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gateway.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gateway.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Labels of the pod that do not change with a version: Gateways and Services select by them. */}}
{{- define "gateway.podLabels" -}}
{{- $labels := merge (dict) (include "gateway.selector" . | fromYaml) .Values.podLabels .Values.labels }}
{{- toYaml $labels }}
{{- end }}

{{- /* What may be read in each namespace, and what is told there. */}}
{{- define "gateway.namespaced" -}}
- apiGroups: [networking.istio.io]
  resources: [gateways, virtualservices, destinationrules, serviceentries, workloadentries]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services, pods]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch]
# What became of them.
- apiGroups: [networking.istio.io]
  resources: [gateways, virtualservices, destinationrules, serviceentries]
  verbs: [get]
- apiGroups: [networking.istio.io]
  resources: [gateways/status, virtualservices/status, destinationrules/status, serviceentries/status]
  verbs: [patch]
{{- end }}
