{{- /* What the operator may do in a namespace whose models it serves. tests/chart hold it to this table. */ -}}
{{- define "recsys-operator.rules" -}}
# Models are read; their spec is never written (no update, no patch), their status is.
- apiGroups: [recsys.dev]
  resources: [recommendermodels]
  verbs: [get, list, watch]
# Versions are the operator's own records. Their spec is immutable, so create and delete are enough beside status.
- apiGroups: [recsys.dev]
  resources: [modelversions]
  verbs: [get, list, watch, create, delete]
# Actions are people's; the operator removes them when their time is over.
- apiGroups: [recsys.dev]
  resources: [modelactions]
  verbs: [get, list, watch, delete]
- apiGroups: [recsys.dev]
  resources: [recommendermodels/status, modelversions/status, modelactions/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Server-side apply creates by patch: it needs both verbs.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# A route goes with its model, and the operator deletes none. But where admission enforces OwnerReferencesPermissionEnforcement
# only who may delete an object may write its owner back, which somebody could have taken out: a rollback must not fail on that.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# <model>-keys, made once: get tells whether it is there, create makes it. RBAC cannot limit either to names that are not
# known yet; without list and watch nobody finds Secrets whose names they do not know, and nothing here can change or
# delete one. The Secrets of data and artifacts are never read: pods name them, and the kubelet fetches them.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
