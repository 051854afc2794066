"""Small worlds for the tables: a spec, a model, versions in a phase, jobs, pods, a route, seconds of traffic."""

from dataclasses import dataclass, replace
from typing import Any

from recsys_api.model_action import ModelActionSpec, ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import Condition, ModelVersionSpec, ModelVersionStatus, ServingTemplate
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.telemetry import LATENCY_BUCKETS_MILLISECONDS
from recsys_operator.core import clock, identity
from recsys_operator.core.decision import Act, Announce, Decision, EnsureRoute, RecordAction, RecordModel, RecordVersion
from recsys_operator.core.memory import Memory
from recsys_operator.core.rollout_state import RolloutState, Spend, read_state
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import (
    ActionView,
    JobView,
    ModelView,
    PodView,
    RouteIntent,
    RouteView,
    ServingView,
    VersionView,
    World,
)

NOW = 1_800_000_000.0
MODEL = "movies"


def build_spec(**changes: Any) -> RecommenderModelSpec:
    """A valid spec; `rollout`, `training`, … are merged one level deep."""
    document: dict[str, Any] = {
        "data": {"source": {"uri": "s3://lake/interactions/"}, "columns": {"timestamp": "ts"}},
        "artifacts": {"uri": "s3://models"},
        "model": {},
        "training": {},
        "evaluation": {},
        "serving": {"replicas": 4},
        "rollout": {
            "gateway": {"name": "public"},
            "steps": [
                {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30},
                {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
            ],
            "slos": [
                {"name": "available", "sli": {"type": "Availability"}, "objectivePercent": "99"},
                {"name": "fast", "sli": {"type": "Latency", "thresholdMilliseconds": 50}, "objectivePercent": "99"},
            ],
            "stableHealthSeconds": 5, "bakeSeconds": 20, "holdLimitSeconds": 60,
            "previous": {"replicas": "Full", "seconds": 600},
        },
    }  # fmt: skip
    for key, value in changes.items():
        known = document.get(key)
        document[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    return RecommenderModelSpec.model_validate(document)


SPEC = build_spec()


def build_model(spec: RecommenderModelSpec | None = SPEC, **changes: Any) -> ModelView:
    """The RecommenderModel."""
    view = ModelView("shop", MODEL, "uid-model", "1", 1, spec, RecommenderModelStatus())
    return replace(view, **changes)


def build_version(
    number: int = 1, phase: str = "Pending", spec: RecommenderModelSpec = SPEC, *, trigger: str = "", age: float = 1000.0,
    **status: Any,
) -> VersionView:  # fmt: skip
    """A version in a phase; from Warming on with what earlier phases record."""
    trigger = trigger or ("spec" if number == 1 else f"action/{number}")
    hashed = identity.spec_hash(spec)
    name = identity.version_name(MODEL, hashed, trigger)
    made = ModelVersionSpec(
        model_name=MODEL, number=number, spec_hash=hashed, trigger=trigger, artifacts_uri=f"s3://models/shop/{MODEL}",
        source=spec,
    )  # fmt: skip
    known: dict[str, Any] = {"phase": phase, "phase_since": clock.to_text(NOW - age)}
    if phase in ("Warming", "Canary", "Baking", "Stable", "Previous", "Retired", "RolledBack", "Superseded"):
        gate = Condition(type="GatePassed", status="True", reason="GatesPassed")
        known |= {
            "digest": f"sha256:{name}", "snapshot_digest": f"sha256:data-{number}", "conditions": (gate,),
            "evaluation_key": identity.evaluation_key(spec.evaluation),
        }  # fmt: skip
    if phase in ("Canary", "Baking", "Stable", "Previous", "RolledBack"):
        known["template"] = ServingTemplate(
            revision="r1", image="serving:1", top_k=50, request_timeout_milliseconds=1000
        )
    known |= status
    return VersionView(name, f"uid-{name}", "1", NOW - age, made, ModelVersionStatus(**known))


def build_pods(version: VersionView, count: int, *, ready: bool = True, **changes: Any) -> tuple[PodView, ...]:
    """Pods of a version."""
    return tuple(
        PodView(
            f"{version.name}-{n}",
            f"{version.uid}-pod-{n}",
            version.name,
            ready,
            0,
            NOW - 500,
            ip=f"10.0.0.{n}",
            **changes,
        )
        for n in range(count)
    )


def build_serving(version: VersionView, replicas: int, **changes: Any) -> ServingView:
    """A Deployment that matches the version's template."""
    revision = version.status.template.revision if version.status.template else "r1"
    view = ServingView(version.name, f"uid-serving-{version.name}", "1", replicas, replicas, revision, True)
    return replace(view, **changes)


def build_route(intent: RouteIntent, *, accepted: bool = True, **decision: Any) -> RouteView:
    """The HTTPRoute."""
    return RouteView("uid-route", "1", intent, decision, accepted)


def build_job(version: VersionView, stage: str, name: str, **changes: Any) -> JobView:
    """A running Job."""
    fields: dict[str, Any] = {"active": 1, "attempt": 1, "key": "", "created_at": NOW - 10, **changes}
    return JobView(name, f"uid-{name}", "1", version.name, stage, **fields)  # type: ignore[arg-type]


def build_action(verb: str, version: str | None = None, name: str = "a1", **changes: Any) -> ActionView:
    """A pending ModelAction."""
    spec = ModelActionSpec(model_name=MODEL, verb=verb, version=version, requested_by="ann")  # type: ignore[arg-type]
    return replace(ActionView(name, f"uid-{name}", "1", NOW - 1, spec, ModelActionStatus()), **changes)


def build_second(version: str, at: float, answers: int = 20, *, pods: int = 4, **changes: Any) -> VersionSecond:
    """A good second."""
    latency = [0] * (len(LATENCY_BUCKETS_MILLISECONDS) + 1)
    latency[5] = answers
    second = VersionSecond(
        at, version, pods, pods, answers=answers, model_latency=tuple(latency), gateway_requests=answers, gateway_bad=0
    )
    return replace(second, **changes)


def build_world(model: ModelView | None = None, *versions: VersionView, **changes: Any) -> World:
    """A world; every version with a template and no serving given has its pods."""
    world = World("shop", MODEL, model or build_model(), versions, serving_image="serving:1", keys_secret=True)
    route = changes.get("route")
    return replace(world, **{"stable_service": route.intent.stable if route is not None else None, **changes})


def writes(decision: Decision) -> list[Act]:
    """The acts but events."""
    return [act for act in decision.acts if not isinstance(act, Announce)]


def kinds(decision: Decision) -> list[str]:
    """Names of the acts but events, in order."""
    return [type(act).__name__ for act in writes(decision)]


def build_state(
    candidate: VersionView, stable: VersionView, spec: RecommenderModelSpec = SPEC, **changes: Any
) -> RolloutState:
    """A rollout in its first step (25 %), its clock running for 10 s."""
    state = RolloutState(
        policy=spec.rollout, stable=stable.name, stable_replicas=4, bucket_offset=7, started_at=NOW - 60, ready_at=NOW - 40,
        step=0, weight=25, segment=1, segment_at=NOW - 12, clock_start=NOW - 10, banked_at=NOW,
        ledger=(Spend(segment=1, part="Canary", alpha=0.0152),),
        pods={pod.uid: 0 for pod in build_pods(candidate, 4)},
    )  # fmt: skip
    return state.changed(**changes)


@dataclass(frozen=True)
class Rollout:
    """Stable (version 1) and candidate (version 2) under the same spec, by default healthy in the first step."""

    stable: VersionView
    candidate: VersionView
    state: RolloutState

    def world(
        self, seconds: int = 10, own: dict[str, Any] | None = None, other: dict[str, Any] | None = None, **changes: Any
    ) -> World:
        """The world after so many seconds with these answers of both arms."""
        candidate = replace(
            self.candidate, status=self.candidate.status.model_copy(update={"rollout": self.state.dump()})
        )
        weight = self.state.weight
        intent = RouteIntent(self.stable.name, candidate.name, weight, 7) if weight else RouteIntent(self.stable.name)
        fields: dict[str, Any] = {
            "pods": build_pods(self.stable, 4) + build_pods(candidate, 4),
            "serving": {v.name: build_serving(v, 4) for v in (self.stable, candidate)},
            "route": build_route(intent, version=candidate.name, segment=self.state.segment, weight=weight, at=clock.to_text(NOW)),
            "seconds": tuple(
                build_second(name, NOW - seconds + t, **(answers or {}))
                for t in range(1, seconds + 1)
                for name, answers in ((self.stable.name, other), (candidate.name, own))
            ),
            "samples_since": NOW - 100,
        }  # fmt: skip
        model = changes.pop("model", None)
        return build_world(model, self.stable, candidate, **{**fields, **changes})

    def changed(self, **changes: Any) -> "Rollout":
        """With another state."""
        return replace(self, state=self.state.changed(**changes))


def build_rollout(spec: RecommenderModelSpec = SPEC, phase: str = "Canary", **changes: Any) -> Rollout:
    """A rollout; in the bake its step is the last one at 100 %."""
    stable, candidate = build_version(1, "Stable", spec), build_version(2, phase, spec, age=60)
    if phase == "Baking":
        bake = {"step": 1, "weight": 100, "segment": 2, "ledger": (Spend(segment=2, part="Bake", alpha=0.0152),)}
        changes = {**bake, "pods": {pod.uid: 0 for pod in build_pods(candidate, 4)}, **changes}
    return Rollout(stable, candidate, build_state(candidate, stable, spec, **changes))


BAD: dict[str, Any] = {"gateway_bad": 18}
SILENT: dict[str, Any] = {"answers": 0, "model_latency": (), "gateway_requests": 0}
UNREAD: dict[str, Any] = {
    "pods_scraped": 0,
    "gateway_requests": None,
    "gateway_bad": None,
    "answers": 0,
    "model_latency": (),
}
WATCHED = Memory(since=NOW - 1000)


def recorded(decision: Decision, name: str) -> Any:
    found = [act for act in decision.acts if isinstance(act, RecordVersion) and act.name == name]
    assert len(found) == 1, kinds(decision)
    return found[0].status


def state_of(decision: Decision, name: str) -> RolloutState:
    state = read_state(recorded(decision, name))
    assert state is not None
    return state


def routes(decision: Decision) -> list[EnsureRoute]:
    return [act for act in decision.acts if isinstance(act, EnsureRoute)]


def with_policy(**changes: Any) -> Any:
    return build_spec(rollout=changes)


def finished(decision: Decision) -> str:
    return next(act.status.phase for act in decision.acts if isinstance(act, RecordAction))


def model_status(decision: Decision) -> RecommenderModelStatus:
    return next(act.status for act in decision.acts if isinstance(act, RecordModel))


def two_versions(**changes: Any) -> World:
    """A previous and a stable version, both loaded."""
    old, new = build_version(1, "Previous"), build_version(2, "Stable")
    fields: dict[str, Any] = {
        "pods": build_pods(old, 4) + build_pods(new, 4), "serving": {v.name: build_serving(v, 4) for v in (old, new)},
        "route": build_route(RouteIntent(new.name)),
    }  # fmt: skip
    return build_world(changes.pop("model", None), old, new, **{**fields, **changes})
