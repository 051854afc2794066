"""How large what the operator writes can get: etcd takes 1.5 MiB for an object, and a pod 256 KiB of annotations.

The API server writes JSON in which <, > and & have six bytes, and remembers of every field who wrote it: hence the rest.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.manifests.largest import largest_model
from tests.unit.core.factories import NOW, build_model, build_pods, build_route, build_state, build_version, build_world
from tests.unit.operator.views import version_view

from recsys_api.manifest import parse_manifest
from recsys_api.model_status import MAX_EVENTS, RecommenderModelStatus, RolloutEvent
from recsys_api.model_version import ModelVersionSpec
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import GateResult
from recsys_operator.core import reasons
from recsys_operator.core.analysis.entries import MAX_PROXIES, write_entries
from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.lines import Counts, Line
from recsys_operator.core.analysis.losses import Tally
from recsys_operator.core.analysis.objectives import resolve_objectives
from recsys_operator.core.counters import BOUNDS, GatewayCounters, GatewayStanding, PodCounters, Reading
from recsys_operator.core.decision import RecordModel, RecordVersion, StartJob
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.records import build_condition, move
from recsys_operator.core.rollout_state import MAX_PODS, MAX_SPENDS, Leave, Spend
from recsys_operator.core.scene import Scene
from recsys_operator.core.text import MAX_MESSAGE, MAX_VALUE, clipped, remembered
from recsys_operator.core.world import RouteIntent, VersionView, World
from recsys_operator.resources.jobs import Images, build_job

KIB = 1024
OBJECT_BYTES = 1024 * KIB
"""Of spec and status together."""
STATUS_BYTES = 192 * KIB
ANNOTATION_BYTES = 256 * KIB
ENDLESS = "<" * 300_000
"""What a kubelet, a gateway or a manifest's error might say."""
MANY = Counts(n=10**12, bad=10**12)
TALLY = Tally(seconds=10**8, seen=10**12, recovered=10**12, lost=10**12 + 0.25)
PAGE = PodCounters(1_800_000_000.123456, *(10**12,) * 2, (10**12,) * (BOUNDS + 1), *(10**12,) * 3)
PROXY = {"new": GatewayCounters(10**12, 10**12), "old": GatewayCounters(10**12, 10**12)}
ENTRIES = write_entries(
    Reading(
        NOW + 0.123456, {version: {f"{version}{n:033d}": PAGE for n in range(1000)} for version in ("new", "old")},
        GatewayStanding(10**6, {f"{n:036d}/1000000": PROXY for n in range(MAX_PROXIES)}),
    ),
    "new", "old",
)  # fmt: skip
"""Of a thousand pods of each arm."""
SPEC = parse_manifest(json.dumps(largest_model()), cluster=True).spec


def bytes_of(document: dict[str, Any]) -> int:
    """As the API server writes it."""
    text = json.dumps(document, ensure_ascii=False)
    return len(text.encode()) + 5 * sum(map(text.count, "<>&"))


def rolling(spec: RecommenderModelSpec = SPEC) -> VersionView:
    """A version whose rollout has everything that one can have."""
    version, stable = build_version(2, "Canary", spec), build_version(1, "Stable", spec)
    number = -123.4567
    lines = tuple(
        Line(
            name=objective.name, candidate=MANY, stable=MANY, candidate_mark=MANY, stable_mark=MANY,
            seconds=10**8, paired=10**8, stable_seconds=10**8, objective=(number,) * 5, difference=(number,) * 4,
            watched_difference=(number,) * 4,
            stable_objective=(number,) * 5, worst_objective=number, worst_difference=number,
        )
        for objective in resolve_objectives(spec.rollout.slos)
    )  # fmt: skip
    segments = 2 * len(spec.rollout.steps)
    event = RolloutEvent(at="2026-01-02T03:04:05Z", reason="CandidateNotReady", message="<" * 256, weight=100)
    names = [step.name for step in spec.rollout.steps]
    state = build_state(
        version, stable, spec, pods={f"{n:036d}": 10**6 for n in range(MAX_PODS)}, events=(event,) * MAX_EVENTS,
        banked=Evidence(
            version=version.name, segment=segments, since=NOW, lines=lines, answers=10**12,
            candidate_tally=TALLY, stable_tally=TALLY, lost=10**12 + 0.25, begun_anew=10**6, skipped=10**8,
            entries=ENTRIES,
        ),
        ledger=tuple(Spend(segment=n, part="Canary", alpha=0.0123456789012345) for n in range(segments + MAX_SPENDS)),
        left=tuple(Leave(step=name, by="HoldLimit", n=10**9, detectable=0.0123456789012345) for name in names * 2),
        approvals=tuple(names), verdict_message=clipped(ENDLESS),
    )  # fmt: skip
    return with_state(version, state.dump())


def with_state(version: VersionView, rollout: dict[str, object]) -> VersionView:
    """A version that rolls out, with the largest template and an endless word in every condition."""
    scene = Scene(build_world(None, version), NOW)
    said = [build_condition(scene, f"Condition{n}", True, "CandidateNotReady", ENDLESS) for n in range(8)]
    assert version.status.template is not None
    template = version.status.template.model_copy(
        update={
            "resources": version.spec.source.serving.resources.to_dict(),
            "pod_template": version.spec.source.serving.pod_template.to_dict(),
        }
    )
    gates = tuple(GateResult(name=gate.name, outcome="Fail", message="<" * 256) for gate in SPEC.evaluation.gates)
    changes = {"conditions": tuple(said), "template": template, "rollout": rollout, "gates": gates}
    moved = move(scene, version, "Canary", reasons.CANDIDATE_NOT_READY, ENDLESS, **changes)
    return replace(version, status=moved.status)


def status_of(world: World) -> RecommenderModelStatus:
    """What a pass records of the model."""
    return next(act.status for act in decide(world, NOW).acts if isinstance(act, RecordModel))


def test_the_largest_version_fits_etcd() -> None:
    version = rolling()
    spec, status = bytes_of(version.spec.to_dict()), bytes_of(version.status.to_dict())
    assert spec + status <= OBJECT_BYTES
    without_template = version.status.model_copy(update={"template": None})
    assert bytes_of(without_template.to_dict()) <= STATUS_BYTES


def test_the_largest_model_fits_etcd() -> None:
    version = rolling()
    route = replace(build_route(RouteIntent(version.name)), accepted=False, message=ENDLESS)
    model = build_model(SPEC, annotations={"recsys.dev/action": f"Pause#{ENDLESS}"})
    world = build_world(model, version, route=route, pods=build_pods(version, 4))
    status = bytes_of(status_of(world).to_dict())
    assert status <= STATUS_BYTES
    assert bytes_of(SPEC.to_dict()) + status <= OBJECT_BYTES


def test_pods_of_a_job_may_have_all_their_annotations() -> None:
    version = version_view("m" * 40 + "-0123456789", spec=SPEC)
    longest = version.spec.model_copy(update={"artifacts_uri": f"{SPEC.artifacts.uri}/{'n' * 63}/{'m' * 40}"})
    version = replace(version, spec=longest, uid="u" * 36)
    made = build_job(
        "n" * 63, version, StartJob(version.name, "train", key="k" * 12), SPEC, Images("t"), stable=version
    )
    found = made["spec"]["template"]["metadata"]["annotations"]
    assert len(found) == 1 + len(SPEC.training.pod_template.metadata["annotations"])
    assert sum(len(key.encode()) + len(value.encode()) for key, value in found.items()) <= ANNOTATION_BYTES


@pytest.mark.parametrize("where", ["invalid", "route", "action"])
def test_what_others_wrote_is_cut_in_every_field_of_a_models_status(where: str) -> None:
    """The schema takes 32,768 characters: a status that is refused would be written again for ever."""
    version = build_version(1, "Stable")
    route = replace(build_route(RouteIntent(version.name)), accepted=where != "route", message=ENDLESS)
    model = build_model(
        None if where == "invalid" else version.spec.source, invalid=ENDLESS,
        annotations={"recsys.dev/action": ENDLESS} if where == "action" else {},
    )  # fmt: skip
    status = status_of(build_world(model, version, route=route, pods=build_pods(version, 4)))
    longest = max(map(len, (status.message, status.last_action, *(each.message for each in status.conditions))))
    assert longest == (len(remembered(ENDLESS)) if where == "action" else MAX_MESSAGE)


def test_an_endless_annotation_is_carried_out_once_and_told_from_another_of_that_beginning() -> None:
    assert len(remembered(ENDLESS)) <= MAX_VALUE
    assert remembered(ENDLESS) != remembered(ENDLESS + "1")
    assert remembered("Rollback#1") == "Rollback#1"
    old, new = build_version(1, "Previous"), build_version(2, "Stable")
    pods = build_pods(old, 4) + build_pods(new, 4)
    model = build_model(annotations={"recsys.dev/action": f"Rollback#{ENDLESS}"})
    world = build_world(model, old, new, pods=pods, route=build_route(RouteIntent(new.name)))
    assert {"RolledBack", "Stable"} == phases(world)
    done = replace(model, status=status_of(world))
    assert "RolledBack" not in phases(replace(world, model=done))


def phases(world: World) -> set[str]:
    """Into which versions are moved."""
    return {act.status.phase for act in decide(world, NOW).acts if isinstance(act, RecordVersion)}


def test_the_spec_of_a_version_has_a_short_trigger_whatever_asked_for_it() -> None:
    model = build_model(annotations={"recsys.dev/action": f"Retrain#{ENDLESS}"})
    version = build_version(1, "Stable")
    acts = decide(build_world(model, version, route=build_route(RouteIntent(version.name))), NOW).acts
    created = [act.spec for act in acts if hasattr(act, "spec") and isinstance(act.spec, ModelVersionSpec)]
    assert [len(spec.trigger) < 2 * MAX_VALUE for spec in created] == [True]
