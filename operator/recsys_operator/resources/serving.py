"""What serves a version: Deployment, Service, autoscaler; the Service of the model and the Secret with its keys."""

from dataclasses import dataclass

from recsys_api.model_version import ServingTemplate
from recsys_api.serving_pod import START_SECONDS, START_SECONDS_VARIABLE
from recsys_api.spec.serving import Autoscaling
from recsys_operator.core import naming
from recsys_operator.core.decision import EnsureServing
from recsys_operator.core.world import VersionView
from recsys_operator.resources.jobs import version_uri
from recsys_operator.resources.kinds import (
    LABEL_COMPONENT,
    LABEL_MODEL,
    LABEL_VERSION,
    Manifest,
    labels_of,
    owner_reference,
)
from recsys_operator.resources.pods import (
    CONTAINER_SECURITY,
    build_claims,
    build_credentials,
    build_env,
    build_pod_template,
    build_tmp,
    secrets_of,
)

ANNOTATION_REVISION = "recsys.dev/template-revision"
PORT = 8080
GRACE_SECONDS = 30
WARM_SECONDS = 30
"""What the API has for its golden answers after tritonserver's last second to start."""
KEY_BUCKET, KEY_TOKEN = "bucket", "token"
API_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
MODELS = {"name": "models", "mountPath": "/models"}
SHM = {"name": "shm", "mountPath": "/dev/shm"}


@dataclass(frozen=True)
class ServingOptions:
    """What is not recorded in the template: it applies to running versions at once."""

    pull_policy: str = "IfNotPresent"
    """Of templates from before it was recorded."""
    autoscaling: Autoscaling | None = None


def build_deployment(namespace: str, version: VersionView, act: EnsureServing, options: ServingOptions) -> Manifest:
    """The Deployment of a version. The pods are a function of the recorded template alone.

    Raises:
        ValueError: the version has no recorded template yet.
    """
    template = version.status.template
    if template is None:
        raise ValueError(f"{version.name}: status.template is absent; it is recorded when the version enters Warming")
    metadata = _metadata(namespace, version.name, version, "serving")
    metadata["annotations"] = {ANNOTATION_REVISION: template.revision}
    selector = _selector(version)
    spec: Manifest = {
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": _template(version, template, options),
    }
    # an autoscaler owns the size: writing it as well would make the two fight
    if not has_autoscaler(act, options):
        spec["replicas"] = act.replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def build_service(namespace: str, version: VersionView) -> Manifest:
    """The Service `<version>` that the HTTPRoute points to."""
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": _metadata(namespace, version.name, version, "serving"),
        "spec": _service_spec(_selector(version)),
    }  # fmt: skip


def build_stable_service(namespace: str, model: str, model_uid: str, version: str) -> Manifest:
    """The Service `<model>-stable`: callers inside the cluster, pinned to the stable version."""
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": naming.stable_service_name(model), "namespace": namespace,
            "labels": labels_of(model, "", "serving"),
            "ownerReferences": [owner_reference("RecommenderModel", model, model_uid)],
        },
        "spec": _service_spec({LABEL_MODEL: model, LABEL_VERSION: version, LABEL_COMPONENT: "serving"}),
    }  # fmt: skip


def has_autoscaler(act: EnsureServing, options: ServingOptions) -> bool:
    """Whether a HorizontalPodAutoscaler decides the number of replicas; never for a version that is switched off."""
    return options.autoscaling is not None and act.replicas > 0


def build_autoscaler(namespace: str, version: VersionView, act: EnsureServing, scaling: Autoscaling) -> Manifest:
    """The HorizontalPodAutoscaler of a version; `act.minimum` keeps it from shrinking during a rollout."""
    low = max(1, act.replicas if act.minimum is None else act.minimum)
    target = {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization_percent}
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(namespace, version.name, version, "serving"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": version.name},
            "minReplicas": low, "maxReplicas": max(low, scaling.max_replicas),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }  # fmt: skip


def build_handover(namespace: str, name: str, replicas: int) -> Manifest:
    """Only the size of a Deployment, for a second field manager: otherwise giving up `replicas` would reset it to 1."""
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace}, "spec": {"replicas": replicas},
    }  # fmt: skip


def build_keys(namespace: str, model: str, model_uid: str, bucket_key: bytes, token_key: bytes) -> Manifest:
    """The Secret `<model>-keys`: hexadecimal keys of user buckets and attribution tokens (32 random bytes each)."""
    return {
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": naming.keys_name(model), "namespace": namespace, "labels": labels_of(model, "", "serving"),
            "ownerReferences": [owner_reference("RecommenderModel", model, model_uid)],
        },
        "stringData": {KEY_BUCKET: bucket_key.hex(), KEY_TOKEN: token_key.hex()},
    }  # fmt: skip


def _metadata(namespace: str, name: str, version: VersionView, component: str) -> Manifest:
    return {
        "name": name, "namespace": namespace, "labels": labels_of(version.spec.model_name, version.name, component),
        "ownerReferences": [owner_reference("ModelVersion", version.name, version.uid)],
    }  # fmt: skip


def _selector(version: VersionView) -> dict[str, str]:
    return {LABEL_MODEL: version.spec.model_name, LABEL_VERSION: version.name, LABEL_COMPONENT: "serving"}


def _service_spec(selector: dict[str, str]) -> Manifest:
    return {"selector": selector, "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]}


def _template(version: VersionView, template: ServingTemplate, options: ServingOptions) -> Manifest:
    spec = version.spec.source
    tmp_volume, _ = build_tmp()
    claims, claim_mounts = build_claims((spec.artifacts.uri,), read_only=True)
    pod: Manifest = {
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [_fetch(version, template, options, claim_mounts)],
        "containers": [_triton(version, template, options), _api(version, template, options)],
        "volumes": [
            {"name": "models", "emptyDir": {}}, tmp_volume,
            {"name": "shm", "emptyDir": {"medium": "Memory"}}, *claims,
        ],
    }  # fmt: skip
    labels = labels_of(version.spec.model_name, version.name, "serving")
    return build_pod_template(labels, pod, template.pod_template)


def _container(
    name: str, module: str, version: VersionView, template: ServingTemplate, options: ServingOptions
) -> Manifest:
    _, tmp = build_tmp()
    model = version.spec.model_name
    keys = [_key(model, "RECSYS_BUCKET_KEY", KEY_BUCKET), _key(model, "RECSYS_TOKEN_KEY", KEY_TOKEN)]
    environment = {
        "RECSYS_ARTIFACT_URI": f"{version_uri(version)}/artifact",
        "RECSYS_ARTIFACT_DIGEST": version.status.digest,
        "RECSYS_VERSION": version.name,
        "RECSYS_MODEL": model,
        "RECSYS_TOP_K": str(template.top_k),
        "RECSYS_REQUEST_TIMEOUT_MILLISECONDS": str(template.request_timeout_milliseconds),
    }
    if template.triton_start_seconds is not None:
        environment[START_SECONDS_VARIABLE] = str(template.triton_start_seconds)
    return {
        "name": name, "image": template.image, "imagePullPolicy": template.image_pull_policy or options.pull_policy,
        "command": ["python3", "-m", f"recsys_serving.{module}"],
        "env": [*build_env(environment), *keys],
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [MODELS, tmp, SHM],
    }  # fmt: skip


def _key(model: str, variable: str, key: str) -> Manifest:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": naming.keys_name(model), "key": key}}}


def _fetch(
    version: VersionView, template: ServingTemplate, options: ServingOptions, claim_mounts: list[Manifest]
) -> Manifest:
    container = _container("fetch", "fetch", version, template, options)
    container["volumeMounts"] = container["volumeMounts"] + claim_mounts
    container["resources"] = _resources(template)
    if credentials := build_credentials(_secrets(version, template)):
        container["envFrom"] = credentials
    return container


def _secrets(version: VersionView, template: ServingTemplate) -> tuple[str, ...]:
    """Of the template; templates from before it recorded them have those of the version's spec."""
    recorded = template.credentials_secret
    if recorded is None:
        return secrets_of(version.spec.source, with_data=False)
    return (recorded,) if recorded else ()


def _triton(version: VersionView, template: ServingTemplate, options: ServingOptions) -> Manifest:
    container = _container("triton", "supervisor", version, template, options)
    return container | {"resources": _resources(template)}


def _api(version: VersionView, template: ServingTemplate, options: ServingOptions) -> Manifest:
    container = _container("api", "api", version, template, options)
    ready = {"httpGet": {"path": "/readyz", "port": "http"}}
    return container | {
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {"requests": API_REQUESTS},
        "startupProbe": ready | {"periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": _start_tries(template)},
        "readinessProbe": ready | {"periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "http"},
            "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 6,
        },
    }  # fmt: skip


def _start_tries(template: ServingTemplate) -> int:
    """Of one a second. Pods of templates that do not say how long keep what they were made with."""
    seconds = template.triton_start_seconds
    return START_SECONDS if seconds is None else seconds + WARM_SECONDS


def _resources(template: ServingTemplate) -> Manifest:
    """requests.cpu = limits.cpu where only one of the two is given."""
    requests = {name: str(value) for name, value in template.resources.get("requests", {}).items()}
    limits = {name: str(value) for name, value in template.resources.get("limits", {}).items()}
    if "cpu" in requests and "cpu" not in limits:
        limits["cpu"] = requests["cpu"]
    return {side: amounts for side, amounts in (("requests", requests), ("limits", limits)) if amounts}
