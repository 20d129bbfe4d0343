{{- define "edgeway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "edgeway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "edgeway.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "edgeway.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "edgeway.selector" -}}
app.kubernetes.io/name: {{ include "edgeway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "edgeway.labels" -}}
{{ include "edgeway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: alb-controller
app.kubernetes.io/part-of: edgeway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "edgeway.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "edgeway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "edgeway.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What may be read in each namespace. */}}
{{- define "edgeway.namespaced" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch]
- apiGroups: [elbv2.k8s.aws]
  resources: [targetgroupbindings]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services, pods]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# For the paths by which gateways are asked whether they are well, and those that ask for a load balancer.
- apiGroups: [networking.istio.io]
  resources: [gateways]
  verbs: [list, watch]
# Where the load balancer of an Ingress is, and what became of it.
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
- apiGroups: [edgeway.dev]
  resources: [edgestatuses]
  verbs: [get, list, create, patch, delete]
- apiGroups: [edgeway.dev]
  resources: [edgestatuses/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Readiness gates of pods that wait for their targets; no other pod is written to.
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
{{- end }}

{{/* Flags of the AWS Load Balancer Controller: those whose values are given. */}}
{{- define "edgeway.habits" -}}
{{- $flags := list
  (list "default-ssl-policy" .Values.defaultSSLPolicy)
  (list "default-target-type" .Values.defaultTargetType)
  (list "default-load-balancer-scheme" .Values.defaultLoadBalancerScheme)
  (list "enable-backend-security-group" .Values.enableBackendSecurityGroup)
  (list "backend-security-group" .Values.backendSecurityGroup)
  (list "enable-manage-backend-security-group-rules" .Values.enableManageBackendSecurityGroupRules)
  (list "disable-restricted-sg-rules" .Values.disableRestrictedSecurityGroupRules)
  (list "ingress-class" .Values.annotatedClass)
  (list "disable-ingress-class-annotation" .Values.disableIngressClassAnnotation)
  (list "disable-ingress-group-name-annotation" .Values.disableIngressGroupNameAnnotation)
  (list "tolerate-non-existent-backend-service" .Values.tolerateNonExistentBackendService)
  (list "tolerate-non-existent-backend-action" .Values.tolerateNonExistentBackendAction)
  (list "enable-shield" .Values.enableShield)
  (list "enable-wafv2" .Values.enableWafv2)
-}}
{{- $arguments := list -}}
{{- range $flags -}}
{{- if not (kindIs "invalid" (index . 1)) -}}
{{- $arguments = append $arguments (printf "--%s=%v" (index . 0) (index . 1)) -}}
{{- end -}}
{{- end -}}
{{- $maps := dict
  "default-tags" .Values.defaultTags
  "service-target-eni-security-group-tags" .Values.serviceTargetENISGTags
  "feature-gates" .Values.controllerConfig.featureGates
-}}
{{- range $flag, $map := $maps -}}
{{- $pairs := list -}}
{{- range $key, $value := $map -}}
{{- /* A number of twelve digits is no 1.2e+11. */ -}}
{{- $text := $value -}}
{{- if kindIs "float64" $value -}}
{{- $text = toJson $value -}}
{{- end -}}
{{- $pairs = append $pairs (printf "%s=%v" $key $text) -}}
{{- end -}}
{{- if $pairs -}}
{{- $arguments = append $arguments (printf "--%s=%s" $flag (join "," $pairs)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.externalManagedTags -}}
{{- $arguments = append $arguments (printf "--external-managed-tags=%s" (join "," .)) -}}
{{- end -}}
{{- with .Values.certDiscovery.allowedCertificateAuthorityARNs -}}
{{- $arguments = append $arguments (printf "--allowed-certificate-authority-arns=%s" .) -}}
{{- end -}}
{{- if $arguments -}}
{{- toYaml $arguments -}}
{{- end -}}
{{- end -}}
