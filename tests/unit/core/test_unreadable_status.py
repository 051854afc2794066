"""What another release has written: nothing is done on half a picture, and it is said."""

from dataclasses import replace

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    build_action,
    build_model,
    build_rollout,
    build_spec,
    build_version,
    build_world,
    kinds,
    routes,
)

from recsys_operator.core.decision import Announce, RecordModel
from recsys_operator.core.lifecycle import decide, tell_trouble
from recsys_operator.core.world import Trouble, World

GONE = "ModelVersion movies-1: status.phase: Input should be 'Stable' (is 'Shadow')"


def without_stable() -> World:
    """Its new version would be the first one."""
    return build_world(build_model(build_spec()), build_version(2, "Warming"), unreadable=(GONE,))


@pytest.mark.parametrize("promoted", [(), (build_action("Promote"),)], ids=["", "promoted"])
def test_nothing_is_done_while_a_version_cannot_be_read(promoted: tuple[object, ...]) -> None:
    world = replace(without_stable(), actions=promoted)
    decision = decide(world, NOW)
    assert kinds(decision) == ["RecordModel"]
    record = next(act for act in decision.acts if isinstance(act, RecordModel))
    assert record.status.reason == "StatusUnreadable"
    assert record.status.message.startswith(f"{GONE}; nothing of this model is changed")
    assert record.status.model_copy(update={"reason": "", "message": ""}) == world.model.status  # type: ignore[union-attr]
    said = [act for act in decision.acts if isinstance(act, Announce)]
    assert [(act.reason, act.warning) for act in said] == [("StatusUnreadable", True)]


def test_it_is_written_once() -> None:
    world = without_stable()
    record = next(act for act in decide(world, NOW).acts if isinstance(act, RecordModel))
    assert kinds(decide(replace(world, model=build_model(status=record.status)), NOW)) == []


def test_a_status_of_the_model_that_cannot_be_read_is_not_written_over() -> None:
    rollout = build_rollout(clock_start=NOW - 11)
    unreadable = build_model(unreadable="RecommenderModel movies: status.pinned.phase: Input should be 'Pinned'")
    decision = decide(rollout.world(own=BAD, model=unreadable), NOW, WATCHED)
    assert (kinds(decision), routes(decision)) == ([], [])
    assert tell_trouble(rollout.world(model=unreadable), NOW, Trouble("Forbidden", "no")) == ()


def test_a_model_that_goes_takes_its_children_along() -> None:
    world = build_rollout().world()
    gone = replace(world, model=build_model(deleting=True))
    assert kinds(decide(replace(gone, unreadable=(GONE,)), NOW)) == kinds(decide(gone, NOW)) != []
