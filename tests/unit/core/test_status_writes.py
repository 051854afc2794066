"""How often a running rollout is written down: what matters at once, what only counts at most every 15 seconds."""

from dataclasses import replace
from typing import Any

from tests.unit.core.factories import BAD, NOW, WATCHED, Rollout, build_rollout, build_second, with_policy

from recsys_operator.core.decision import RecordModel, RecordVersion
from recsys_operator.core.lifecycle import decide


def writes_of(rollout: Rollout, seconds: int, **answers: Any) -> list[tuple[int, str]]:
    """(second, kind) of each act while the operator decides every second and its records come back."""
    versions = {v.name: v for v in rollout.world().versions}
    model, memory, found = rollout.world().model, WATCHED, []
    for t in range(seconds):
        fresh = tuple(
            build_second(v, NOW + t - k, **answers.get("own" if v == rollout.candidate.name else "other", {}))
            for v in versions
            for k in range(10)
        )
        world = replace(rollout.world(), versions=tuple(versions.values()), model=model, seconds=fresh)
        decision = decide(world, NOW + t, memory)
        memory = decision.memory
        for act in decision.acts:
            found.append((t, type(act).__name__))
            if isinstance(act, RecordVersion):
                versions[act.name] = replace(versions[act.name], status=act.status)
            elif isinstance(act, RecordModel) and model is not None:
                model = replace(model, status=act.status)
    return found


def test_counters_that_move_are_written_every_fifteen_seconds() -> None:
    slow = with_policy(
        steps=[{"name": "first", "weight": 25, "maxSeconds": 3000}, {"name": "all", "weight": 100}],
        slos=[{"name": "available", "sli": {"type": "Availability"}, "objectivePercent": "99.999"}],
    )
    found = writes_of(build_rollout(slow), 60)
    assert [t for t, kind in found if kind == "RecordVersion"] == [15, 30, 45]
    assert [t for t, kind in found if kind == "RecordModel"] == [0, 15, 30, 45]


def test_a_failing_candidate_that_waits_for_a_person_is_not_written_every_second() -> None:
    found = writes_of(build_rollout(with_policy(rollback={"mode": "Manual"})), 40, own=BAD)
    assert found == [
        (0, "RecordVersion"), (0, "Announce"), (0, "RecordModel"),
        (15, "RecordVersion"), (15, "RecordModel"),
        (30, "RecordVersion"), (30, "RecordModel"),
    ]  # fmt: skip
