"""Pins: by action and by the spec, of versions that can have users, get an artifact first, or never can."""

from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    build_action,
    build_model,
    build_spec,
    build_version,
    build_world,
    finished,
    model_status,
    two_versions,
)

from recsys_api.model_status import PinnedState, RecommenderModelStatus
from recsys_operator.core.decision import Decision, RecordAction, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent


def phases_of(decision: Decision, name: str) -> list[str]:
    return [act.status.phase for act in decision.acts if isinstance(act, RecordVersion) and act.name == name]


def test_a_pin_by_action_holds_until_unpin_and_yields_to_the_spec() -> None:
    world = two_versions(actions=(build_action("Pin", build_version(1).name),))
    status = model_status(decide(world, NOW))
    assert status.pinned is not None
    assert (status.pinned.version, status.pinned.source) == (world.versions[0].name, "Action")
    held = two_versions(model=build_model(status=RecommenderModelStatus(pinned=status.pinned)))
    assert decide(held, NOW).acts[1].intent == RouteIntent(world.versions[0].name)  # type: ignore[union-attr]
    unpinned = decide(two_versions(model=held.model, actions=(build_action("Unpin"),)), NOW)
    assert model_status(unpinned).pinned is None
    spec = build_model(build_spec(rollout={"pinnedVersion": world.versions[1].name}))
    assert (
        finished(decide(two_versions(model=spec, actions=(build_action("Pin", world.versions[0].name),)), NOW))
        == "Refused"
    )


def test_a_pin_to_a_version_that_was_rolled_back_is_refused() -> None:
    bad = build_version(1, "RolledBack", quarantined=True)
    stable = build_version(2, "Stable")
    actions = (build_action("Pin", bad.name),)
    assert finished(decide(build_world(None, bad, stable, actions=actions), NOW)) == "Refused"
    pinned = build_model(build_spec(rollout={"pinnedVersion": bad.name}))
    status = model_status(decide(build_world(pinned, bad, stable), NOW))
    assert (status.reason, status.pinned and status.pinned.phase) == ("PinNotFound", "NotFound")


@pytest.mark.parametrize("source", ["Spec", "Action"])
def test_a_pin_of_a_version_in_training_waits_and_says_for_what(source: str) -> None:
    stable, young = build_version(1, "Stable"), build_version(2, "Training", digest="", message="epoch 3 of 20")
    model = build_model(build_spec(rollout={"pinnedVersion": young.name}))
    if source == "Action":
        pinned = PinnedState(version=young.name, phase="Pinning", source="Action")
        model = build_model(status=RecommenderModelStatus(pinned=pinned))
    status = model_status(decide(build_world(model, stable, young), NOW))
    assert (status.reason, status.pinned and status.pinned.phase) == ("Pinned", "Pinning")
    assert young.name in status.message
    assert "no artifact yet (Training: epoch 3 of 20)" in status.message


def test_a_pinned_version_in_training_is_not_overtaken_by_another_spec() -> None:
    young = build_version(2, "Training", digest="")
    other = build_model(build_spec(model={"architecture": "NeuMF", "embeddingDim": 64}))
    pinned = build_model(
        build_spec(model={"architecture": "NeuMF", "embeddingDim": 64}, rollout={"pinnedVersion": young.name})
    )
    ends = [
        "Superseded" in phases_of(decide(build_world(model, build_version(1, "Stable"), young), NOW), young.name)
        for model in (other, pinned)
    ]
    assert ends == [True, False]


def test_a_pin_of_a_version_that_was_superseded_without_an_artifact_says_what_to_do() -> None:
    gone, stable = build_version(1, "Superseded", digest=""), build_version(2, "Stable")
    asked = decide(build_world(None, gone, stable, actions=(build_action("Pin", gone.name),)), NOW)
    assert [act.status.phase for act in asked.acts if isinstance(act, RecordAction)] == ["Refused"]
    status = model_status(
        decide(build_world(build_model(build_spec(rollout={"pinnedVersion": gone.name})), gone, stable), NOW)
    )
    assert status.reason == "PinNotFound"
    assert "put its spec back, or pin another version" in status.message


NEVER_PINNED = [
    ("RolledBack", {"quarantined": True}, "was rolled back; create a Retry action that names it first"),
    ("Failed", {}, "is Failed; create a Retry action that names it first"),
    ("Invalid", {}, "is Invalid; create a Retry action that names it first"),
    ("NoNewData", {}, "has no artifact, because its data is that of another version; pin that one"),
]


@pytest.mark.parametrize(("phase", "status", "message"), NEVER_PINNED)
def test_a_version_that_can_have_no_users_is_not_pinned(phase: str, status: dict[str, Any], message: str) -> None:
    version = build_version(1, phase, **status)
    decision = decide(build_world(None, version, actions=(build_action("Pin", version.name),)), NOW)
    (said,) = [act.status for act in decision.acts if isinstance(act, RecordAction)]
    assert (said.phase, said.message) == ("Refused", f"{version.name} {message}")
