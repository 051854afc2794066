"""A cluster in memory, and the acts of the operator in it, applied as the real executor does (conditions, live reads)."""

from dataclasses import replace
from typing import Any

from tests.simulation.controllers import Controllers
from tests.simulation.hands import Hands
from tests.simulation.state import Quality

from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionStatus
from recsys_operator.core import decision as acts
from recsys_operator.core import naming
from recsys_operator.core.world import (
    AutoscalerView,
    JobView,
    ServingView,
    VersionView,
    World,
)

__all__ = ["Cluster", "Quality", "Refused"]


class Refused(Exception):  # noqa: N818
    """An act failed as it may in a real cluster; the pass ends."""


class Cluster(Controllers, Hands):
    """What happens to it."""

    def execute(self, act: acts.Act, world: World) -> None:
        """Apply one act.

        Raises:
            Refused: a precondition does not hold.
        """
        getattr(self, f"_do_{type(act).__name__}")(act, world)

    def _do_CreateVersion(self, act: acts.CreateVersion, _: World) -> None:  # noqa: N802
        if act.name not in self.versions:
            uid = self._uid("version")
            self.versions[act.name] = VersionView(
                act.name, uid, self._rv(), self.now, act.spec, ModelVersionStatus(), self._owner(act.owned)
            )

    def _do_RecordVersion(self, act: acts.RecordVersion, _: World) -> None:  # noqa: N802
        version = self.versions.get(act.name)
        if version is None or version.resource_version != act.resource_version:
            raise Refused(f"conflict on {act.name}")
        self.versions[act.name] = replace(version, status=_through_json(act.status), resource_version=self._rv())

    def _do_RecordModel(self, act: acts.RecordModel, _: World) -> None:  # noqa: N802
        if self.model is None or self.model.resource_version != act.resource_version:
            raise Refused("conflict on the model")
        status = RecommenderModelStatus.model_validate_json(act.status.model_dump_json(by_alias=True))
        self.model = replace(self.model, status=status, resource_version=self._rv())

    def _do_RecordAction(self, act: acts.RecordAction, _: World) -> None:  # noqa: N802
        action = self.actions.get(act.name)
        if action is None or action.resource_version != act.resource_version:
            raise Refused("conflict on an action")
        self.actions[act.name] = replace(action, status=act.status, resource_version=self._rv())

    def _do_StartJob(self, act: acts.StartJob, _: World) -> None:  # noqa: N802
        if act.version not in self.versions:
            raise Refused(f"{act.version} is gone")
        name = naming.job_name(act.version, act)
        if name not in self.jobs:
            self.jobs[name] = JobView(
                name, self._uid("job"), self._rv(), act.version, act.stage, act.attempt, act.key, self.now, active=1
            )

    def _do_EnsureKeys(self, _: acts.EnsureKeys, __: World) -> None:  # noqa: N802
        self.keys = True

    def _do_EnsureServing(self, act: acts.EnsureServing, _: World) -> None:  # noqa: N802
        version = self.versions.get(act.version)
        if version is None or version.status.template is None:
            raise Refused(f"{act.version} has no template")
        known = self.serving.get(act.version)
        uid = known.uid if known is not None else self._uid("serving")
        revision, scaler = version.status.template.revision, self._autoscaler(act)
        replicas = act.replicas
        if scaler is not None:
            # the size of a Deployment that has an autoscaler is not the operator's
            owned = known is not None and known.has_autoscaler
            replicas = min(max(known.replicas if owned and known else replicas, scaler.minimum), scaler.maximum)
        self.serving[act.version] = ServingView(act.version, uid, self._rv(), replicas, 0, revision, True, scaler)

    def _do_EnsureService(self, act: acts.EnsureService, _: World) -> None:  # noqa: N802
        if act.of_model:
            self.stable_service = act.version
        elif act.version in self.serving:
            self.serving[act.version] = replace(self.serving[act.version], has_service=True)

    def _do_EnsureRoute(self, act: acts.EnsureRoute, world: World) -> None:  # noqa: N802
        if self.model is None:
            raise Refused("the model is gone")
        if act.raises:
            for version, wanted in act.needs_ready.items():
                if self.ready(version) < wanted:
                    raise Refused(f"{version} is not ready")
            seen = world.route.resource_version if world.route is not None else ""
            if seen != (self.route.resource_version if self.route is not None else ""):
                raise Refused("conflict on the route")
        if self.route is not None and self.route.unmanaged:
            raise Refused("a person has the route")
        if self.route is None or self.route.intent != act.intent or dict(self.route.decision) != dict(act.decision):
            self._set_route(act.intent, act.decision)

    def _do_DeleteObject(self, act: acts.DeleteObject, world: World) -> None:  # noqa: N802
        if world.model is None and self.model is not None:
            raise Refused("the model is there again")
        store: dict[str, Any] = {
            "Job": self.jobs, "Serving": self.serving, "ModelVersion": self.versions, "ModelAction": self.actions,
        }[act.kind]  # fmt: skip
        live = store.get(act.name)
        if live is None or live.uid != act.uid:
            return
        if live.resource_version != act.resource_version:
            raise Refused(f"conflict on deleting {act.name}")
        if act.kind == "Serving":
            version = self.versions.get(act.name)
            if version is not None and act.version_resource_version not in ("", version.resource_version):
                raise Refused("conflict on the version of a serving")
            if self.weight(act.name) > 0:
                raise Refused("the live route gives it weight")
            self.pods = {name: pod for name, pod in self.pods.items() if pod.version != act.name}
        if act.kind == "ModelVersion":
            self.jobs = {name: job for name, job in self.jobs.items() if job.version != act.name}
        del store[act.name]

    def _do_Announce(self, act: acts.Announce, _: World) -> None:  # noqa: N802
        self.events.append(act)

    def _autoscaler(self, act: acts.EnsureServing) -> AutoscalerView | None:
        scaling = (
            self.model.spec.serving.autoscaling if self.model is not None and self.model.spec is not None else None
        )
        if scaling is None or act.minimum is None:
            return None
        largest = max(act.minimum, scaling.max_replicas)
        return AutoscalerView(act.minimum, largest, scaling.target_cpu_utilization_percent)

    def _owner(self, owned: bool) -> str:
        return self.model.uid if owned and self.model is not None else ""


def _through_json(status: ModelVersionStatus) -> ModelVersionStatus:
    """As it comes back from the API server."""
    return ModelVersionStatus.model_validate_json(status.model_dump_json(by_alias=True, exclude_none=True))
