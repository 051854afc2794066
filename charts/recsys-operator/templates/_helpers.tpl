{{- define "recsys-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "recsys-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "recsys-operator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "recsys-operator.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "recsys-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "recsys-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* managed-by is Helm's here: `recsys-operator` is what the operator itself makes, and watches. */ -}}
{{- define "recsys-operator.labels" -}}
{{ include "recsys-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: recsys-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "recsys-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "recsys-operator.fullname" .) -}}
{{- end -}}

{{- /* An image as one reference. Call with (list . .Values.images.operator). */ -}}
{{- define "recsys-operator.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- $image.reference | default (printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}

{{- /* Namespaces that are watched under scope Namespaced, as a YAML list. */ -}}
{{- define "recsys-operator.watchNamespaces" -}}
{{- .Values.watchNamespaces | default (list .Release.Namespace) | uniq | toYaml -}}
{{- end -}}

{{- /* Labels of the proxy pods as a selector: a=b,c=d. */ -}}
{{- define "recsys-operator.gatewaySelector" -}}
{{- $pairs := list -}}
{{- range $key, $value := .Values.gateway.metrics.selector -}}
{{- $pairs = append $pairs (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}
