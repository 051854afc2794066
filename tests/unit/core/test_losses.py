"""Requests that nobody read: they are declared, take a Pass away when they are many, and never a Fail."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.factories import (
    BAD,
    NOW,
    SPEC,
    WATCHED,
    build_rollout,
    build_second,
    model_status,
    recorded,
    with_policy,
)

from recsys_api.model_status import RecommenderModelStatus
from recsys_operator.core.analysis.evidence import Evidence, fold_evidence
from recsys_operator.core.analysis.losses import MOST_LOST, Tally
from recsys_operator.core.analysis.objectives import resolve_objectives
from recsys_operator.core.analysis.verdicts import FAIL_BUDGET, PASS_BUDGET, Verdict, judge, segment_alpha
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.rollout_state import parse_state
from recsys_operator.core.samples import VersionSecond

OBJECTIVES = resolve_objectives(SPEC.rollout.slos)
ALPHAS = segment_alpha(FAIL_BUDGET, 1), segment_alpha(PASS_BUDGET, 1)
START = Evidence(version="new", segment=1, since=NOW)
NO_GATEWAY: dict[str, Any] = {"gateway_requests": None, "gateway_bad": None}
GARBLED: dict[str, Any] = {"errors": ("pod: NaN",)}
Seconds = list[VersionSecond]


def both(at: float, own: dict[str, Any] | None = None, other: dict[str, Any] | None = None) -> Seconds:
    """A second of both arms, 20 answers each."""
    return [build_second("new", NOW + at, **(own or {})), build_second("old", NOW + at, **(other or {}))]


def seconds_of(length: int, own: dict[str, Any] | None = None, other: dict[str, Any] | None = None) -> Seconds:
    return [second for t in range(1, length + 1) for second in both(t, own, other)]


def fold(seconds: Seconds, known: Evidence = START, watched_since: float = 0.0) -> Evidence:
    return fold_evidence(known, "old", OBJECTIVES, seconds, watched_since)


def verdict_on(evidence: Evidence) -> Verdict:
    return judge(evidence, OBJECTIVES, *ALPHAS, evidence.folded_until)


def numbers(evidence: Evidence) -> list[tuple[int, int]]:
    return [(line.candidate.n, line.stable.n) for line in evidence.lines]


LOST = [
    ({"lost": 30.5}, {}, 30.5),
    ({}, {"lost": 30.5}, 30.5),
    ({"lost": 30.5}, {"lost": 9.5}, 40.0),
    ({**GARBLED, "lost": 3.0}, {}, 23.0),
    ({**GARBLED, **NO_GATEWAY}, NO_GATEWAY, 40.0),
    ({}, GARBLED, 20.0),
    (NO_GATEWAY, {**GARBLED, **NO_GATEWAY}, 20.0),
]  # fmt: skip


@pytest.mark.parametrize(("own", "other", "lost"), LOST)
def test_what_is_lost_is_declared(own: dict[str, Any], other: dict[str, Any], lost: float) -> None:
    assert fold(both(11, own, other), fold(seconds_of(10))).lost == lost


def test_what_a_pod_lost_is_in_n_of_neither_arm() -> None:
    whole = fold(seconds_of(11))
    lossy = fold(both(11, {"lost": 9.0}, {"lost": 9.0}), fold(seconds_of(10)))
    assert numbers(lossy) == numbers(whole)
    assert lossy.answers == whole.answers


@pytest.mark.parametrize(
    ("folded", "unwatched", "lost"),
    [(100, 4, 160.0), (100, 0, 0.0), (0, 4, 0.0)],
    ids=["the operator was away", "it never was", "nothing was seen before"],
)
def test_what_came_while_nobody_watched_is_lost_at_the_rate_of_before(folded: int, unwatched: int, lost: float) -> None:
    known = fold(seconds_of(folded)) if folded else START
    began = folded + unwatched
    evidence = fold(both(began) + both(began + 1), known, NOW + began - 0.5 if unwatched else NOW - 9)
    assert evidence.lost == lost


@pytest.mark.parametrize("arm", ["own", "other"])
@pytest.mark.parametrize(("lost", "kind"), [(100.0, "Pass"), (140.0, "Undecided")])
def test_above_the_limit_of_either_arm_the_evidence_for_a_pass_begins_anew(arm: str, lost: float, kind: str) -> None:
    seconds = seconds_of(119)
    evidence = fold(both(120, **{arm: {"lost": lost}}), fold(seconds))
    verdict = verdict_on(evidence)
    assert verdict.kind == kind
    assert ("140 events were lost" in verdict.message) == (kind == "Undecided")
    later = fold([second for t in range(121, 260) for second in both(t)], evidence)
    assert verdict_on(later).kind == "Pass", "it is not lost for ever"


def test_who_lost_bad_events_is_not_rid_of_those_that_were_seen() -> None:
    """The events since then would pass by themselves; too few were bad for a Fail."""
    sick = fold([second for t in range(1, 41) for second in both(t, {"gateway_bad": t % 2}, {"gateway_bad": t % 2})])
    evidence = fold(both(41, {"lost": 400.0}), sick)
    assert evidence.begun_anew == 1
    well = [second for t in range(42, 162) for second in both(t)]
    assert verdict_on(fold(well)).kind == "Pass"
    assert verdict_on(fold(well, evidence)).kind == "Undecided"


def test_a_version_whose_pods_die_again_and_again_cannot_lose_its_fail() -> None:
    seconds = [second for t in range(1, 13) for second in both(t, {**BAD, "lost": 20.0})]
    assert fold(seconds).begun_anew > 5
    assert verdict_on(fold(seconds)).kind == "Fail"


SECOND = st.fixed_dictionaries(
    {}, optional={
        "lost": st.sampled_from([1.0, 15.0, 200.0]), "gateway_bad": st.sampled_from([1, 10, 20]),
        "bad_fallbacks": st.sampled_from([1, 20]), "errors": st.just(("NaN",)), "pods_scraped": st.just(0),
    },
)  # fmt: skip
LIVES = st.lists(st.tuples(SECOND, SECOND), max_size=20).map(lambda drawn: drawn + [({}, {})] * 100)


@settings(max_examples=60, deadline=None)
@given(LIVES, st.data())
def test_losses_take_a_pass_away_and_change_nothing_else(
    life: list[tuple[dict[str, Any], dict[str, Any]]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(life)))
    life = data.draw(st.permutations(life[:25])) + life[25:]
    seconds = [second for t, (own, other) in enumerate(life, 1) for second in both(t, own, other)]
    lossy = fold(
        [s for s in seconds if s.at > NOW + cut], fold([s for s in seconds if s.at <= NOW + cut]), NOW + cut + 0.5
    )
    whole = fold([replace(second, lost=0.0) for second in seconds])
    assert numbers(lossy) == numbers(whole)
    for one, other in zip(lossy.lines, whole.lines, strict=True):
        same = ("objective", "difference", "stable_objective", "worst_objective", "worst_difference")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
    found, without = verdict_on(lossy).kind, verdict_on(whole).kind
    assert found == without or (found, without) == ("Undecided", "Pass")
    declared = sum(second.lost for second in seconds)
    assert lossy.lost >= round(declared, 2) - 0.01
    tallies = (lossy.candidate_tally, lossy.stable_tally)
    assert all(tally.lost <= MOST_LOST * (tally.seen + tally.lost) for tally in tallies)
    assert Evidence.model_validate_json(lossy.model_dump_json(by_alias=True)) == lossy


def test_a_new_process_declares_what_the_one_before_had_not_banked() -> None:
    rollout = build_rollout(with_policy(), segment_at=NOW - 112)
    known = decide(rollout.world(seconds=100), NOW, WATCHED).memory.evidence  # type: ignore[attr-defined]
    old = known.model_copy(update={"folded_until": NOW - 30, "read_at": NOW - 30, "seen_at": NOW - 30})
    world = rollout.changed(banked=old).world(seconds=5, samples_since=NOW - 4.5)
    evidence = decide(world, NOW).memory.evidence  # type: ignore[attr-defined]
    assert evidence.lost == pytest.approx(2 * 20 * 26)
    assert evidence.begun_anew == 1
    assert decide(world, NOW, decide(world, NOW).memory).memory.evidence.lost == evidence.lost  # type: ignore[attr-defined]


def test_it_is_shown_beside_n() -> None:
    rollout = build_rollout(clock_start=NOW - 11, banked_at=NOW - 30)
    world = rollout.world(own={"lost": 0.4})
    assert recorded(decide(world, NOW, WATCHED), rollout.candidate.name).rollout["banked"]["lost"] == 4.0
    status = model_status(decide(world, NOW, WATCHED))
    assert status.rollout is not None
    assert status.rollout.lost_events == 4


def test_what_the_release_before_wrote_is_read() -> None:
    """It knew of no losses."""
    state = build_rollout(banked=fold(seconds_of(10))).state
    document = state.dump()
    banked: Any = document["banked"]
    new = {"lost", "begunAnew", "candidateTally", "stableTally"}
    lines = [{k: v for k, v in line.items() if not k.endswith("Mark")} for line in banked["lines"]]
    document["banked"] = {**{k: v for k, v in banked.items() if k not in new}, "lines": lines}
    assert new <= banked.keys()
    found = parse_state(document)
    assert found is not None
    assert found.banked is not None
    assert found.banked.candidate_tally == Tally()
    assert numbers(found.banked) == numbers(fold(seconds_of(10)))
    assert RecommenderModelStatus.model_validate({"rollout": {"n": 5}}).rollout.lost_events == 0  # type: ignore[union-attr]
