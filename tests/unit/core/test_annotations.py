"""What people ask for by the annotation recsys.dev/action: once for each time that its value changes."""

from dataclasses import replace

import pytest
from tests.unit.core.factories import (
    NOW,
    build_action,
    build_model,
    build_pods,
    build_route,
    build_state,
    build_version,
    build_world,
    finished,
    kinds,
    model_status,
    recorded,
    two_versions,
)

from recsys_api.model_action import WITHOUT_VERSION
from recsys_api.model_status import PinnedState, RecommenderModelStatus
from recsys_operator.core.actions import pending_requests
from recsys_operator.core.decision import (
    Announce,
    EnsureRoute,
    RecordModel,
    RecordVersion,
    may_wait,
)
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import RouteIntent, World


@pytest.mark.parametrize(("asked", "reason"), [("19", "RollbackRefused"), ("21", "RollbackDone")])
def test_an_annotation_that_was_set_before_the_canary_ended_does_not_take_stable_instead(
    asked: str, reason: str
) -> None:
    world = annotated("Rollback#1")
    ended = replace(build_version(3, "RolledBack", trigger="x", quarantined=True), resource_version="20")
    assert world.model is not None
    world = replace(world, model=replace(world.model, resource_version=asked), versions=(*world.versions, ended))
    assert reason in [act.reason for act in decide(world, NOW).acts if isinstance(act, Announce)]


def test_a_status_that_answers_nobody_may_wait() -> None:
    assert [may_wait(act) for act in decide(two_versions(), NOW).acts][-1:] == [True]
    assert not any(may_wait(act) for act in decide(annotated("Rollback#1"), NOW).acts)


def annotated(value: str, last: str = "") -> World:
    return two_versions(
        model=build_model(annotations={"recsys.dev/action": value}, status=RecommenderModelStatus(last_action=last))
    )


def test_an_annotation_is_carried_out_once_for_each_distinct_value() -> None:
    decision = decide(annotated("Rollback#1"), NOW)
    assert recorded(decision, build_version(2).name).phase == "RolledBack"
    assert model_status(decision).last_action == "Rollback#1"
    assert not [act for act in decide(annotated("Rollback#1", "Rollback#1"), NOW).acts if isinstance(act, EnsureRoute)]
    assert [act for act in decide(annotated("Rollback#2", "Rollback#1"), NOW).acts if isinstance(act, EnsureRoute)]


def annotate(world: World, value: str) -> tuple[World, list[EnsureRoute]]:
    """The world after somebody annotated it and two passes, and what was written of the route."""
    assert world.model is not None
    annotations = {"recsys.dev/action": value} if value else {}
    world, written = replace(world, model=replace(world.model, annotations=annotations)), []
    for _ in range(2):
        decision = decide(world, NOW)
        found = {act.name: act.status for act in decision.acts if isinstance(act, RecordVersion)}
        versions = tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions)
        told = [act.status for act in decision.acts if isinstance(act, RecordModel)] or [world.model.status]  # type: ignore[union-attr]
        routes = [act for act in decision.acts if isinstance(act, EnsureRoute)]
        route = build_route(routes[-1].intent, **dict(routes[-1].decision)) if routes else world.route
        world = replace(world, versions=versions, model=replace(world.model, status=told[-1]), route=route)  # type: ignore[type-var]
        written += routes
    return world, written


def with_canary(world: World, number: int) -> World:
    """Another version in its first step, unless one is."""
    stable, *others = world.versions
    if any(v.status.phase == "Canary" for v in others):
        return world
    candidate = build_version(number, "Canary")
    status = candidate.status.model_copy(update={"rollout": build_state(candidate, stable).dump()})
    route = build_route(RouteIntent(stable.name, candidate.name, 25, 7), version=candidate.name, segment=1, weight=25)
    return replace(
        world, versions=(*world.versions, replace(candidate, status=status)), route=route,
        pods=world.pods + build_pods(candidate, 4),
    )  # fmt: skip


@pytest.mark.parametrize(
    "values", [["Resume"], ["Resume", "Rollback", "Pause"], ["Rollback#2", "Resume"], [""]], ids="-".join
)
def test_a_rollback_that_is_annotated_again_after_something_else_happens_again(values: list[str]) -> None:
    stable = build_version(1, "Stable")
    world = build_world(None, stable, pods=build_pods(stable, 4))
    for number, value in enumerate(["Rollback", *values, "Rollback"], 2):
        world, written = annotate(with_canary(world, number), value)
        verb = value.partition("#")[0]
        assert [route.intent for route in written] == ([RouteIntent(stable.name)] if verb == "Rollback" else [])
    assert world.model is not None
    assert world.model.status.last_action == "Rollback"


def test_a_rollback_by_annotation_that_was_killed_after_its_records_is_not_done_twice() -> None:
    world = annotated("Rollback")
    first = decide(world, NOW)
    after = tuple(replace(v, status=recorded(first, v.name)) for v in world.versions)
    older = replace(build_version(3, "Previous", trigger="x"), name="movies-older")
    again = decide(
        replace(world, versions=(*after, older), route=build_route(RouteIntent(world.versions[0].name))), NOW
    )
    assert not [act for act in again.acts if isinstance(act, EnsureRoute)]
    assert model_status(again).last_action == "Rollback"


def test_a_new_model_of_the_same_name_has_requests_of_its_own() -> None:
    """The versions may have stayed (Retain), with marks of what the model before had asked for."""
    world = annotated("Rollback")
    assert world.model is not None
    models = [replace(world.model, uid=uid) for uid in ("first", "second")]
    found = [pending_requests(Scene(replace(world, model=model), NOW)) for model in models]
    assert len({request.key for requests in found for request in requests}) == 2


def test_an_annotation_with_an_unknown_verb_is_refused_and_remembered() -> None:
    decision = decide(annotated("rollbak"), NOW)
    assert model_status(decision).last_action == "rollbak"
    assert not [act for act in decision.acts if isinstance(act, EnsureRoute)]


@pytest.mark.parametrize("verb", WITHOUT_VERSION)
def test_a_version_that_a_verb_would_ignore_is_refused(verb: str) -> None:
    """Who names one takes it that only this version is meant."""
    world = two_versions(actions=(build_action(verb, build_version(1).name),))
    for decision in (decide(world, NOW), decide(annotated(f"{verb}/v1"), NOW)):
        told = [act.message for act in decision.acts if isinstance(act, Announce)]
        assert [message for message in told if f"would be ignored by {verb}; remove it" in message]
        assert not {"CreateVersion", "EnsureRoute"} & {*kinds(decision)}
    assert finished(decide(world, NOW)) == "Refused"


def test_an_annotation_can_name_a_version() -> None:
    old = build_version(1).name
    status = model_status(decide(annotated(f"Pin/{old}#x"), NOW))
    assert status.pinned == PinnedState(version=old, phase="Pinning", source="Action")
