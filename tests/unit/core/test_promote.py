"""A Promote happens, whatever waits, or is refused with what keeps it: never Done and nothing."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    Rollout,
    build_action,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_second,
    build_serving,
    build_spec,
    build_version,
    build_world,
    routes,
)

from recsys_operator.core.decision import Decision, EnsureServing, RecordAction, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.world import RouteIntent, World

FREEZE = {"name": "freeze", "schedule": "* * * * *", "seconds": 3600}
CLOSED = build_spec(rollout={"windows": [FREEZE]})
PAUSED = build_spec(rollout={"paused": True})
OTHER = build_spec(model={"embeddingDim": 8})


def read_back(world: World, decision: Decision) -> World:
    found = {act.name: act.status for act in decision.acts if isinstance(act, RecordVersion)}
    return replace(world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions))


def promote(world: World, name: str) -> tuple[str, str, Decision, World]:
    """(phase of the action, its message, the decision, the world that has read it back)."""
    decision = decide(replace(world, actions=(build_action("Promote", name),)), NOW, WATCHED)
    (action,) = [act.status for act in decision.acts if isinstance(act, RecordAction)]
    return action.phase, action.message, decision, read_back(world, decision)


def goes_to_all(world: World, passes: int = 6) -> bool:
    """Whether the version gets all users within some passes."""
    for _ in range(passes):
        decision = decide(world, NOW, WATCHED)
        if any(route.raises and route.intent.weight == 100 for route in routes(decision)):
            return True
        world = read_back(world, decision)
    return False


def warming(spec: Any, *, begun: bool, **fields: Any) -> tuple[Rollout, World]:
    state = {"step": -1, "weight": 0, "segment": 0, "clock_start": None, "ledger": (), "pods": {}}
    rollout = build_rollout(spec, "Warming", **state)
    world = rollout.world(model=build_model(spec), **fields)
    if begun:
        template = build_version(1, "Stable").status.template
        versions = (rollout.stable, _with(world.versions[1], template=template))
    else:
        versions = (rollout.stable, _with(world.versions[1], rollout=None))
    return rollout, replace(world, versions=versions)


def _with(version: Any, **changes: Any) -> Any:
    return replace(version, status=version.status.model_copy(update=changes))


def parked(**changes: Any) -> Rollout:
    fields = {"parked_since": NOW - 10, "ready_at": NOW - 9, "breaches": 1, "verdict": "BothBreach", **changes}
    return build_rollout(step=-1, weight=0, clock_start=None, pods={}, verdict_message="both breach", **fields)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("spec", [build_spec(), CLOSED])
def test_a_promote_of_a_warming_version_waits_for_its_pods_alone(begun: bool, spec: Any) -> None:
    sick = tuple(build_second(build_version(1, "Stable").name, NOW - t, **BAD) for t in range(20))
    rollout, world = warming(spec, begun=begun, seconds=0)
    phase, _, _, after = promote(replace(world, seconds=sick), rollout.candidate.name)
    assert phase == "Done"
    assert goes_to_all(after)


def test_changed_gates_do_not_take_a_promote_back() -> None:
    gate = {"name": "absolute", "metric": {"name": "NDCG", "k": 10}, "atLeast": "0.05"}
    gated = build_model(build_spec(evaluation={"gates": [gate]}))
    rollout, world = warming(build_spec(), begun=False)
    *_, after = promote(world, rollout.candidate.name)
    assert goes_to_all(replace(after, model=gated))
    assert not goes_to_all(replace(world, model=gated))


def test_the_pods_of_a_warming_version_that_was_promoted_are_those_for_all_users() -> None:
    rollout, world = warming(CLOSED, begun=False)
    *_, after = promote(
        replace(world, serving={rollout.stable.name: build_serving(rollout.stable, 4)}), rollout.candidate.name
    )
    after = read_back(after, decide(after, NOW, WATCHED))
    made = [act for act in decide(after, NOW, WATCHED).acts if isinstance(act, EnsureServing)]
    assert [(act.version, act.replicas) for act in made] == [(rollout.candidate.name, 4)]


@pytest.mark.parametrize("begun", [False, True])
def test_a_promote_in_a_pause_says_what_it_waits_for_and_happens_after_it(begun: bool) -> None:
    rollout, world = warming(PAUSED, begun=begun)
    phase, message, _, after = promote(world, rollout.candidate.name)
    assert (phase, "Paused" in message) == ("Done", True)
    assert not goes_to_all(after)
    assert goes_to_all(replace(after, model=build_model()))


@pytest.mark.parametrize("mode", ["Manual", "Disabled"])
@pytest.mark.parametrize("stable", [{}, BAD], ids=["fail", "both breach"])
def test_a_promote_overrules_a_fail_where_a_person_decides(mode: str, stable: dict[str, Any]) -> None:
    spec = build_spec(rollout={"rollback": {"mode": mode}})
    rollout = build_rollout(spec)
    world = rollout.world(own=BAD, other=stable, model=build_model(spec))
    assert not goes_to_all(world)
    phase, _, _, after = promote(world, rollout.candidate.name)
    assert phase == "Done"
    assert goes_to_all(after)


def test_a_promote_from_before_a_fail_overrules_nothing() -> None:
    spec = build_spec(rollout={"rollback": {"mode": "Manual"}})
    rollout = build_rollout(spec)
    *_, after = promote(rollout.world(model=build_model(spec)), rollout.candidate.name)
    assert not goes_to_all(replace(after, seconds=rollout.world(own=BAD).seconds))


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_promote_does_not_overrule_a_fail_under_auto(phase: str) -> None:
    rollout = build_rollout(phase=phase)
    answer, message, decision, _ = promote(rollout.world(own=BAD), rollout.candidate.name)
    assert answer == "Refused"
    assert "available" in message
    assert routes(decision)[0].intent == RouteIntent(rollout.stable.name)


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_promote_gives_no_users_to_pods_that_are_not_there(phase: str) -> None:
    rollout = build_rollout(phase=phase)
    answer, message, decision, _ = promote(rollout.world(pods=build_pods(rollout.stable, 4)), rollout.candidate.name)
    assert (answer, "pods are ready" in message) == ("Refused", True)
    assert routes(decision)[0].intent == RouteIntent(rollout.stable.name)


@pytest.mark.parametrize("spec", [build_spec(), CLOSED])
def test_a_promote_of_a_parked_version_waits_neither_for_stable_nor_for_a_window(spec: Any) -> None:
    rollout = parked()
    phase, _, _, after = promote(rollout.world(seconds=0, model=build_model(spec)), rollout.candidate.name)
    assert phase == "Done"
    assert goes_to_all(after)


def test_a_pin_of_a_parked_version_is_one_route_change() -> None:
    rollout = parked()
    model = build_model(build_spec(rollout={"pinnedVersion": rollout.candidate.name, "windows": [FREEZE]}))
    decision = decide(rollout.world(model=model), NOW, WATCHED)
    assert [route.intent for route in routes(decision)] == [RouteIntent(rollout.candidate.name)]


def test_a_promote_has_a_limit_of_its_own_to_get_its_pods() -> None:
    waits = {"hold_reason": "ApprovalRequired", "hold_since": NOW - 59, "waiting_since": NOW - 59}
    own = build_pods(build_version(2, "Canary"), 1)
    rollout = build_rollout(**waits, pods={pod.uid: 0 for pod in own})
    few = build_pods(rollout.stable, 4) + own
    *_, after = promote(rollout.world(pods=few), rollout.candidate.name)
    state = read_state(read_back(after, decide(after, NOW, WATCHED)).versions[1].status)
    assert state is not None
    assert (state.hold_reason, state.hold_since, state.waiting_since) == ("Scaling", NOW, NOW)


@pytest.mark.parametrize("promoted", [False, True])
def test_a_promote_counts_as_the_approval_of_the_last_step(promoted: bool) -> None:
    steps = [{"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30, "approval": "Required"}]
    spec = build_spec(rollout={"steps": steps})
    rollout = build_rollout(spec, "Baking", step=0, clock_start=NOW - 25, segment_at=NOW - 110, promoted=promoted)
    world = rollout.world(seconds=100, model=build_model(spec))
    assert read_back(world, decide(world, NOW, WATCHED)).versions[1].status.phase == (
        "Stable" if promoted else "Baking"
    )


def test_a_promote_that_harm_ends_is_said_to_have_ended() -> None:
    rollout = build_rollout(promoted=True)
    world = rollout.world(pods=build_pods(rollout.stable, 4))
    status = read_back(world, decide(world, NOW, WATCHED)).versions[1].status
    assert (status.reason, "Promote" in status.message) == ("CandidateNotReady", True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": build_model(OTHER)}, "the spec asks for another model now"),
        ({"model": build_model(build_spec(rollout={"pinnedVersion": build_version(1).name}))}, "is pinned"),
        ({"route": replace(build_rollout().world().route, unmanaged=True)}, "recsys.dev/unmanaged"),  # type: ignore[type-var]
    ],
)
def test_a_promote_that_cannot_happen_is_refused_with_what_keeps_it(change: dict[str, Any], words: str) -> None:
    rollout = build_rollout()
    phase, message, decision, _ = promote(rollout.world(**change), rollout.candidate.name)
    assert (phase, words in message) == ("Refused", True), message
    assert not any(route.raises for route in routes(decision))


def test_a_promote_of_an_earlier_rollout_does_not_skip_the_next_ones_canary() -> None:
    """A previous version whose pods are gone is wanted again."""
    old, new = build_version(1, "Previous"), build_version(2, "Stable", OTHER)
    promoted = build_rollout().state.changed(promoted=True, stable=new.name)
    world = build_world(
        None, _with(old, rollout=promoted.dump()), new, pods=build_pods(new, 4), route=build_route(RouteIntent(new.name)),
        serving={v.name: build_serving(v, 4) for v in (old, new)},
    )  # fmt: skip
    for _ in range(2):
        world = read_back(world, decide(world, NOW, WATCHED))
    again = next(v for v in world.versions if v.name == old.name)
    state = read_state(again.status)
    assert state is not None
    assert (again.status.phase, state.rollout, state.promoted) == ("Warming", 2, False)
