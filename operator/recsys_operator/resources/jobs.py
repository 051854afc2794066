"""Jobs of a version (prepare, train, evaluate, report) and what they are told."""

from dataclasses import dataclass

from recsys_api.exit_codes import USER_ERRORS
from recsys_api.predicates import GPU
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import RunSpec, StableReference
from recsys_api.spec.training import OPERATIONAL, Training
from recsys_api.telemetry import METRICS_PORT_VARIABLE, TRAINING_METRICS_PORT, TRAINING_METRICS_PORT_NAME
from recsys_operator.core import naming
from recsys_operator.core.decision import StartJob
from recsys_operator.core.world import VersionView
from recsys_operator.resources.kinds import Manifest, labels_of, owner_reference
from recsys_operator.resources.pods import (
    CONTAINER_SECURITY,
    build_claims,
    build_credentials,
    build_env,
    build_pod_template,
    build_tmp,
    secrets_of,
)

ANNOTATION_ATTEMPT = "recsys.dev/attempt"
ANNOTATION_KEY = "recsys.dev/key"
ANNOTATION_REPORTS = "recsys.dev/reports-stage"
ANNOTATION_RUN = "recsys.dev/run"
RUN_FOLDER, RUN_FILE = "/etc/recsys", "/etc/recsys/run.json"
KILLED = 137
"""SIGKILL, mostly the memory limit: the operator decides about a second attempt, not the Job."""


@dataclass(frozen=True)
class Images:
    """What Jobs run."""

    trainer: str
    pull_policy: str = "IfNotPresent"


def version_uri(version: VersionView) -> str:
    """VERSION_URI of docs/contracts.md section 1."""
    return f"{version.spec.artifacts_uri.rstrip('/')}/{version.name}-{version.uid}"


def build_run_spec(
    namespace: str, version: VersionView, current: RecommenderModelSpec | None, key: str, stable: VersionView | None
) -> RunSpec:
    """What the Jobs of a version are told: its own spec, judged by the gates of today, on the nodes of today."""
    source = version.spec.source
    spec = source if current is None else _of_today(source, current)
    reference = None
    if stable is not None:
        reference = StableReference(name=stable.name, version_uri=version_uri(stable), digest=stable.status.digest)
    return RunSpec(
        namespace=namespace, model=version.spec.model_name, version=version.name, version_uid=version.uid,
        number=version.spec.number, version_uri=version_uri(version), spec=spec,
        evaluation_key=key or "h0", stable=reference,
    )  # fmt: skip


def _of_today(source: RecommenderModelSpec, current: RecommenderModelSpec) -> RecommenderModelSpec:
    """A version's spec with what is no part of the version from today's: else a Job would be told of other nodes than it has."""
    operational = {name: getattr(current.training, name) for name in OPERATIONAL}
    training = source.training.model_copy(update=operational)
    return source.model_copy(update={"evaluation": current.evaluation, "training": training})


def build_job(
    namespace: str, version: VersionView, act: StartJob, current: RecommenderModelSpec | None, images: Images,
    stable: VersionView | None = None,
) -> Manifest:  # fmt: skip
    """The Job of a stage. Operational settings (resources, deadline, queue, Secrets) are those of today's spec.

    Args:
        stable: for `evaluate`, the version to compare with; for `prepare`, that whose snapshot may be the same.
    """
    run = build_run_spec(namespace, version, current, act.key, stable)
    model, spec = version.spec.model_name, current or version.spec.source
    training = spec.training
    nodes = training.nodes if act.stage == "train" else 1
    name = naming.job_name(version.name, act)
    metadata = _metadata(namespace, name, model, version.name, version.uid, act.stage)
    metadata["annotations"] = _annotations(act)
    if training.queue_name:
        metadata["labels"] = metadata["labels"] | {"kueue.x-k8s.io/queue-name": training.queue_name}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": {
            "completionMode": "Indexed", "completions": nodes, "parallelism": nodes,
            "backoffLimit": training.backoff_limit, "activeDeadlineSeconds": training.deadline_seconds,
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": _template(name, version, act, spec, nodes, images, run),
        },
    }  # fmt: skip


def build_headless_service(namespace: str, version: VersionView, act: StartJob) -> Manifest:
    """The headless Service by which the ranks of a Job on several nodes find rank 0."""
    name = naming.job_name(version.name, act)
    selector = {"batch.kubernetes.io/job-name": name}
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": _metadata(namespace, name, version.spec.model_name, version.name, version.uid, act.stage),
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector},
    }  # fmt: skip


def _metadata(namespace: str, name: str, model: str, version: str, uid: str, component: str) -> Manifest:
    return {
        "name": name, "namespace": namespace, "labels": labels_of(model, version, component),
        "ownerReferences": [owner_reference("ModelVersion", version, uid)],
    }  # fmt: skip


def _annotations(act: StartJob) -> dict[str, str]:
    found = {ANNOTATION_ATTEMPT: str(act.attempt), ANNOTATION_KEY: act.key, ANNOTATION_REPORTS: act.reports_stage or ""}
    return {key: value for key, value in found.items() if value}


def _failure_rules() -> list[Manifest]:
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [*USER_ERRORS, KILLED]},
        },
    ]


def _template(
    job: str, version: VersionView, act: StartJob, spec: RecommenderModelSpec, nodes: int, images: Images,
    run: RunSpec,
) -> Manifest:  # fmt: skip
    source = version.spec.source
    tmp_volume, tmp_mount = build_tmp()
    volumes, mounts = build_claims((source.data.source.uri, source.artifacts.uri), read_only=False)
    # an annotation that is mounted: what a Job was told goes with it, and nothing else can change it
    told = {"path": "run.json", "fieldRef": {"fieldPath": f"metadata.annotations['{ANNOTATION_RUN}']"}}
    run_volume = {"name": "run", "downwardAPI": {"items": [told]}}
    environment = {"RECSYS_RUN_FILE": RUN_FILE}
    if nodes > 1:
        environment |= {"RECSYS_NODES": str(nodes), "MASTER_ADDR": f"{job}-0.{job}", "MASTER_PORT": "29500"}
    if act.stage == "train":
        environment |= {METRICS_PORT_VARIABLE: str(TRAINING_METRICS_PORT)}
    container: Manifest = {
        "name": "trainer", "image": images.trainer, "imagePullPolicy": images.pull_policy,
        "command": ["recsys-trainer"], "args": _arguments(act),
        "env": build_env(environment), "resources": _resources(spec.training, act),
        "securityContext": CONTAINER_SECURITY, "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "run", "mountPath": RUN_FOLDER, "readOnly": True}, tmp_mount, *mounts],
    }  # fmt: skip
    if act.stage == "train":
        port = {"name": TRAINING_METRICS_PORT_NAME, "containerPort": TRAINING_METRICS_PORT, "protocol": "TCP"}
        container["ports"] = [port]
    if credentials := build_credentials(secrets_of(spec, with_data=True)):
        container["envFrom"] = credentials
    pod: Manifest = {"restartPolicy": "Never", "containers": [container], "volumes": [run_volume, tmp_volume, *volumes]}
    if nodes > 1:
        pod["subdomain"] = job
    labels = labels_of(version.spec.model_name, version.name, act.stage)
    template = build_pod_template(labels, pod, spec.training.pod_template.to_dict())
    told_text = run.model_dump_json(by_alias=True, exclude_none=True)
    annotations = template["metadata"].get("annotations", {}) | {ANNOTATION_RUN: told_text}
    return template | {"metadata": template["metadata"] | {"annotations": annotations}}


def _arguments(act: StartJob) -> list[str]:
    if act.stage == "report":
        return ["report", act.reports_stage or "train"]
    return [act.stage]


def _resources(training: Training, act: StartJob) -> Manifest:
    gpus = training.gpus_per_node if act.stage == "train" else 0
    chosen = {  # without GPUs, which a spec from before the rule may name here
        side: {name: str(amount) for name, amount in quantities.items() if name != GPU}
        for side, quantities in (("requests", training.resources.requests), ("limits", training.resources.limits))
    }
    if gpus:
        chosen["limits"][GPU] = str(gpus)
    return {side: quantities for side, quantities in chosen.items() if quantities}
