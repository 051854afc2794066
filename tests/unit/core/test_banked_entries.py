"""Entries on their way through status: written with the totals or not at all, taken over once, by another process alone."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    UNREAD,
    WATCHED,
    Rollout,
    build_rollout,
    kinds,
    recorded,
    state_of,
    with_policy,
)

from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.verdicts import ACCOUNTS
from recsys_operator.core.counters import GatewayCounters, GatewayStanding, PodCounters, Reading
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.rollout_state import parse_state
from recsys_operator.core.world import World

LATER = 30.0


def reading(rollout: Rollout, at: float, answers: int) -> Reading:
    """Every pod has as many answers, and the gateway has all of them."""
    latency = (answers, *PodCounters().latency[1:])
    page = PodCounters(5.0, answers, latency=latency)
    arms = (rollout.candidate, rollout.stable)
    pods = {arm.name: {f"{arm.uid}-pod-{n}": page for n in range(4)} for arm in arms}
    counts = {arm.name: GatewayCounters(4 * answers) for arm in arms}
    return Reading(at, pods, GatewayStanding(1, {"p/0": counts}))


@pytest.fixture
def rollout() -> Rollout:
    """Ten seconds seen, nothing banked for long."""
    return build_rollout(with_policy(), banked_at=NOW - 30)


def banked_by(rollout: Rollout, at: float = NOW) -> Rollout:
    """What one process writes down."""
    world = rollout.world(standing=reading(rollout, at, 100))
    return replace(rollout, state=state_of(decide(world, NOW, WATCHED), rollout.candidate.name))


def next_world(rollout: Rollout, answers: int = 400, **changes: Any) -> World:
    """Half a minute later: another process has read for three seconds."""
    first = NOW + LATER - 3
    shifted = tuple(replace(s, at=s.at + LATER) for s in rollout.world(seconds=4).seconds)
    fields = {"seconds": shifted, "samples_since": first - 0.5, "begun": reading(rollout, first, answers)}
    return replace(rollout.world(), **{**fields, **changes})


def test_they_are_written_with_the_totals(rollout: Rollout) -> None:
    banked = banked_by(rollout).state.banked
    assert banked is not None
    assert banked.entries is not None
    assert (len(banked.entries.candidate), len(banked.entries.stable), banked.entries.at) == (4, 4, NOW)
    assert banked.entries.gateway == {"p/0": "400 0 400 0"}


def test_counters_of_another_moment_than_the_totals_are_not_written(rollout: Rollout) -> None:
    banked = banked_by(rollout, at=NOW + 1).state.banked
    assert banked is not None
    assert banked.entries is None


def test_counters_that_moved_are_no_reason_to_write(rollout: Rollout) -> None:
    known = banked_by(rollout)
    world = known.world(standing=reading(known, NOW, 100))
    moved = replace(world, standing=reading(known, NOW, 999))
    for again in (world, moved):
        memory = replace(WATCHED, evidence=known.state.banked)
        assert "RecordVersion" not in kinds(decide(again, NOW, memory))


def evidence_after(world: World, memory: Memory | None) -> Evidence:
    found = decide(world, NOW + LATER, memory).memory.evidence  # type: ignore[attr-defined]
    assert isinstance(found, Evidence)
    return found


def test_another_process_counts_what_came_meanwhile(rollout: Rollout) -> None:
    known = banked_by(rollout)
    before = known.state.banked
    assert before is not None
    evidence = evidence_after(next_world(known), None)
    # 4 pods x 300, and four seconds of 20 that were watched
    assert evidence.line("fast").candidate.n == before.line("fast").candidate.n + 1200 + 80
    assert evidence.line("available").stable.n == before.line("available").stable.n + 1200 + 80
    assert (evidence.lost, evidence.entries, evidence.inherited) == (0.0, None, False)


def test_it_is_counted_once(rollout: Rollout) -> None:
    world = next_world(banked_by(rollout))
    first = decide(world, NOW + LATER)
    again = decide(world, NOW + LATER, first.memory)
    assert again.memory.evidence == first.memory.evidence  # type: ignore[attr-defined]


def test_the_process_that_wrote_it_goes_on_from_what_it_remembers(rollout: Rollout) -> None:
    known = banked_by(rollout)
    memory = replace(WATCHED, evidence=known.state.banked)
    evidence = evidence_after(next_world(known), memory)
    assert evidence.skipped == 0
    assert evidence.line("fast").candidate.n == known.state.banked.line("fast").candidate.n + 80  # type: ignore[union-attr]


def test_what_was_not_read_yet_is_taken_over_later(rollout: Rollout) -> None:
    """Nothing can be read at first, and what is banked meanwhile keeps where the counters stood."""
    known = banked_by(rollout).changed(banked_at=NOW - 60)
    blind = next_world(known, begun=None, standing=None)
    unread = tuple(replace(s, **UNREAD) for s in blind.seconds)
    decision = decide(replace(blind, seconds=unread), NOW + LATER)
    assert decision.memory.evidence.entries == known.state.banked.entries  # type: ignore[attr-defined, union-attr]
    assert decision.memory.evidence.lost == 0.0  # type: ignore[attr-defined]
    evidence = evidence_after(next_world(known), decision.memory)  # type: ignore[arg-type]
    assert evidence.line("fast").candidate.n == known.state.banked.line("fast").candidate.n + 1200  # type: ignore[union-attr]


def test_where_the_first_seconds_are_no_longer_kept_what_came_before_is_lost(rollout: Rollout) -> None:
    known = banked_by(rollout)
    late = reading(known, NOW + LATER - 100, 400)
    evidence = evidence_after(next_world(known, begun=late), None)
    assert evidence.line("fast").candidate.n == known.state.banked.line("fast").candidate.n + 80  # type: ignore[union-attr]
    assert evidence.lost > 0


def test_a_look_at_what_is_written_down_is_not_forgotten_by_the_process_that_wrote_it(rollout: Rollout) -> None:
    known = banked_by(rollout)
    banked = known.state.banked
    assert banked is not None
    high = 20.0 + ACCOUNTS
    shown = tuple(line.model_copy(update={"worst_difference": high}) for line in banked.lines)
    written = known.changed(banked=banked.model_copy(update={"lines": shown}))
    decision = decide(written.world(), NOW, replace(WATCHED, evidence=banked))
    assert recorded(decision, rollout.candidate.name).phase == "RolledBack"


def test_what_the_release_before_wrote_is_read(rollout: Rollout) -> None:
    known = banked_by(rollout)
    document = known.state.dump()
    banked: Any = document["banked"]
    new = {"entries", "skipped", "inherited"}
    lines = [{k: v for k, v in line.items() if k != "watchedDifference"} for line in banked["lines"]]
    tallies = {name: {"seconds": 9, "seen": 180, "lost": 0.0} for name in ("candidateTally", "stableTally")}
    document["banked"] = {**{k: v for k, v in banked.items() if k not in new}, **tallies, "lines": lines}
    assert new <= banked.keys()
    state = parse_state(document)
    assert state is not None
    old = replace(known, state=state)
    evidence = evidence_after(next_world(old), None)
    assert evidence.line("fast").candidate.n == state.banked.line("fast").candidate.n + 80  # type: ignore[union-attr]
    assert evidence.lost == pytest.approx(2 * 20 * (LATER - 3), rel=0.2)
