"""Pins of versions that have no artifact: some get one, some never do."""

import pytest
from tests.unit.core.factories import NOW, build_action, build_model, build_spec, build_version, build_world

from recsys_api.model_status import PinnedState, RecommenderModelStatus
from recsys_operator.core.decision import Decision, RecordAction, RecordModel, RecordVersion
from recsys_operator.core.lifecycle import decide


def model_status(decision: Decision) -> RecommenderModelStatus:
    return next(act.status for act in decision.acts if isinstance(act, RecordModel))


def phases_of(decision: Decision, name: str) -> list[str]:
    return [act.status.phase for act in decision.acts if isinstance(act, RecordVersion) and act.name == name]


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
