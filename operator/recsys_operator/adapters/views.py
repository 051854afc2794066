"""Raw objects -> the views that core reads. Nothing here raises for what a user or another writer wrote."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from recsys_api.field_types import STORED
from recsys_api.manifest_errors import problems_of
from recsys_api.model_action import ModelActionSpec, ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionSpec, ModelVersionStatus
from recsys_api.operator_rules import unsaid_problems
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import EvaluateResult, PrepareResult, TrainResult, parse_job_result
from recsys_operator.core.world import (
    ActionView,
    AutoscalerView,
    JobView,
    ModelView,
    PodView,
    ServingView,
    Stage,
    VersionView,
)
from recsys_operator.resources.jobs import ANNOTATION_ATTEMPT, ANNOTATION_KEY
from recsys_operator.resources.kinds import INDEX, LABEL_COMPONENT, LABEL_VERSION, Manifest, owner_uid
from recsys_operator.resources.serving import ANNOTATION_REVISION

__all__ = [
    "seconds_of", "view_of_action", "view_of_job", "view_of_model", "view_of_pod", "view_of_serving", "view_of_version",
]  # fmt: skip

M = TypeVar("M", bound=BaseModel)
SAID = 5
"""Most problems of a spec that are told at once."""
CANNOT_START = frozenset({
    "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
})  # fmt: skip


def seconds_of(timestamp: str | None) -> float:
    """Seconds since the epoch of an RFC 3339 timestamp; 0 where there is none."""
    if not timestamp:
        return 0.0
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).replace(tzinfo=UTC).timestamp()


def view_of_model(manifest: Manifest) -> ModelView:
    """A RecommenderModel; a spec that cannot be used is told by `invalid`, a status that does not parse by `unreadable`."""
    metadata = manifest["metadata"]
    status = _status(RecommenderModelStatus, manifest)
    spec, invalid = _spec(manifest.get("spec") or {})
    return ModelView(
        namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"],
        resource_version=metadata["resourceVersion"], generation=metadata.get("generation", 0),
        spec=spec, status=RecommenderModelStatus() if isinstance(status, str) else status,
        annotations=metadata.get("annotations") or {}, invalid=invalid, manual=_manual(manifest), deleting=_deleting(manifest),
        unreadable=status if isinstance(status, str) else "",
    )  # fmt: skip


def view_of_version(manifest: Manifest) -> VersionView | str:
    """A ModelVersion, or what of it does not parse."""
    metadata = manifest["metadata"]
    try:
        spec = ModelVersionSpec.model_validate(manifest.get("spec") or {}, context=STORED)
    except ValidationError as error:
        return _unreadable(manifest, "ModelVersion", _sentences(error, ModelVersionSpec, "spec"))
    status = _status(ModelVersionStatus, manifest)
    if isinstance(status, str):
        return status
    return VersionView(
        name=metadata["name"], uid=metadata["uid"], resource_version=metadata["resourceVersion"],
        created_at=seconds_of(metadata.get("creationTimestamp")), spec=spec,
        status=status, owner_uid=owner_uid(manifest, "RecommenderModel"),
        deleting=_deleting(manifest),
    )  # fmt: skip


def view_of_action(manifest: Manifest) -> ActionView | None:
    """A ModelAction; None where it does not parse: it is not carried out, perhaps again."""
    metadata = manifest["metadata"]
    try:
        spec = ModelActionSpec.model_validate(manifest.get("spec") or {})
    except ValidationError:
        return None
    status = _status(ModelActionStatus, manifest)
    if isinstance(status, str):
        return None
    return ActionView(
        name=metadata["name"], uid=metadata["uid"], resource_version=metadata["resourceVersion"],
        created_at=_created(manifest), spec=spec, status=status,
    )  # fmt: skip


def view_of_job(manifest: Manifest, pods: Iterable[Manifest]) -> JobView:
    """A Job with what its pods of index 0 said.

    Args:
        pods: pods of the Job, any order.
    """
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    failed: Mapping[str, Any] = conditions.get("Failed") or conditions.get("FailureTarget") or {}
    mine = sorted((pod for pod in pods if owner_uid(pod, "Job") == metadata["uid"]), key=_created)
    result, exit_code, reason = _outcome(mine)
    return JobView(
        name=metadata["name"], uid=metadata["uid"], resource_version=metadata["resourceVersion"],
        version=labels.get(LABEL_VERSION, ""), stage=cast(Stage, labels.get(LABEL_COMPONENT, "")),
        attempt=_attempt(annotations.get(ANNOTATION_ATTEMPT, "")), key=annotations.get(ANNOTATION_KEY, ""),
        created_at=_created(manifest), active=status.get("active", 0),
        complete="Complete" in conditions or "SuccessCriteriaMet" in conditions, failed=bool(failed),
        failed_reason=failed.get("reason", ""), result=result, exit_code=exit_code, terminated_reason=reason,
        unschedulable=next(filter(None, map(_unschedulable, mine)), ""),
        waiting=next(filter(None, (_waiting(pod) for pod in reversed(mine))), ""),
        suspended="Suspended" in conditions, deleting=_deleting(manifest),
    )  # fmt: skip


def view_of_pod(manifest: Manifest) -> PodView:
    """A serving pod."""
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return PodView(
        name=metadata["name"], uid=metadata["uid"], version=(metadata.get("labels") or {}).get(LABEL_VERSION, ""),
        ready=ready and not _deleting(manifest), restarts=sum(c.get("restartCount", 0) for c in containers),
        created_at=_created(manifest), ip=status.get("podIP", ""), deleting=_deleting(manifest),
        unschedulable=_unschedulable(manifest), waiting=_waiting(manifest),
        last_terminated=next(filter(None, map(_last_terminated, containers)), ""),
    )  # fmt: skip


def view_of_serving(
    deployment: Manifest, autoscaler: Manifest | None = None, *, has_service: bool = True
) -> ServingView:
    """Deployment of a version, and its HorizontalPodAutoscaler where it has one."""
    metadata, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    return ServingView(
        version=(metadata.get("labels") or {}).get(LABEL_VERSION, metadata["name"]), uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        replicas=spec.get("replicas", 1), ready=status.get("readyReplicas", 0),
        revision=(metadata.get("annotations") or {}).get(ANNOTATION_REVISION, ""),
        settled=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        deleting=_deleting(deployment), has_service=has_service,
        autoscaler=_autoscaler(autoscaler["spec"]) if autoscaler is not None else None,
    )  # fmt: skip


def _autoscaler(spec: Manifest) -> AutoscalerView:
    targets = [(metric.get("resource") or {}).get("target") or {} for metric in spec.get("metrics") or ()]
    percent = next((target.get("averageUtilization", 0) for target in targets), 0)
    return AutoscalerView(spec.get("minReplicas", 1), spec.get("maxReplicas", 0), percent)


def _attempt(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 1


def _outcome(pods: list[Manifest]) -> tuple[PrepareResult | TrainResult | EvaluateResult | None, int | None, str]:
    """(result, exit code, reason) of the newest pod of index 0 that ended; of any pod where none of index 0 did."""
    ended = [(pod, state) for pod in pods if (state := _terminated(pod)) is not None]
    first = [entry for entry in ended if (entry[0]["metadata"].get("annotations") or {}).get(INDEX, "0") == "0"]
    for _, state in reversed(first or ended):
        return parse_job_result(state.get("message", "")), state.get("exitCode"), state.get("reason", "")
    return None, None, ""


def _terminated(pod: Manifest) -> Mapping[str, Any] | None:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] == "trainer":
            state: Mapping[str, Any] | None = container.get("state", {}).get("terminated")
            return state
    return None


def _unschedulable(pod: Manifest) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "Unschedulable")
    return ""


def _waiting(pod: Manifest) -> str:
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in CANNOT_START:
            return f"{container['name']}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def _last_terminated(container: Mapping[str, Any]) -> str:
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        ended = state.get("terminated")
        if ended and ended.get("exitCode"):
            return f"{container['name']}: {ended.get('reason', 'Error')} ({ended['exitCode']})"
    return ""


def _spec(document: Manifest) -> tuple[RecommenderModelSpec | None, str]:
    """The spec, or the first things that are wrong with it: what does not parse, and what the API server does not say."""
    try:
        spec = RecommenderModelSpec.model_validate(document)
    except ValidationError as error:
        return None, "; ".join(_sentences(error, RecommenderModelSpec, "spec")[:SAID])
    problems = unsaid_problems(spec)
    return (None, "; ".join(map(str, problems[:SAID]))) if problems else (spec, "")


def _manual(manifest: Manifest) -> bool:
    """Asked of what was written: who has taken the route keeps it, whatever is wrong elsewhere in the spec."""
    found: Any = manifest.get("spec")
    for key in ("rollout", "traffic", "management"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return bool(found == "Manual")


def _status(kind: type[M], manifest: Manifest) -> M | str:
    """The status, empty where it is absent; or what of it does not parse: it is no empty one, it holds who is stable."""
    try:
        return kind.model_validate(manifest.get("status") or {})
    except ValidationError as error:
        return _unreadable(manifest, kind.__name__.removesuffix("Status"), _sentences(error, kind, "status"))


def _unreadable(manifest: Manifest, kind: str, sentences: list[str]) -> str:
    return f"{kind} {manifest['metadata']['name']}: {sentences[0]}"


def _sentences(error: ValidationError, model: type[BaseModel], part: str) -> list[str]:
    return [f"{part}.{problem.field}: {problem.message}" for problem in problems_of(error, model)]


def _deleting(manifest: Manifest) -> bool:
    return bool(manifest["metadata"].get("deletionTimestamp"))


def _created(manifest: Manifest) -> float:
    return seconds_of(manifest["metadata"].get("creationTimestamp"))
