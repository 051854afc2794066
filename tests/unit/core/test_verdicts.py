"""The table of verdicts: what both arms did, what follows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import NOW, SPEC, build_second

from recsys_api.spec.rollout import ServiceLevelObjective
from recsys_operator.core.analysis.evidence import Evidence, fold_evidence
from recsys_operator.core.analysis.health import Health, fold_health
from recsys_operator.core.analysis.objectives import Objective, count_events, resolve_objectives
from recsys_operator.core.analysis.verdicts import FAIL_BUDGET, PASS_BUDGET, Verdict, judge, segment_alpha
from recsys_operator.core.samples import VersionSecond

OBJECTIVES = resolve_objectives(SPEC.rollout.slos)
ALPHAS = segment_alpha(FAIL_BUDGET, 1), segment_alpha(PASS_BUDGET, 1)


def build_slo(
    kind: str, percent: str, *, name: str = "", tolerance: str = "2", **changes: Any
) -> ServiceLevelObjective:
    document = {
        "name": name or kind.lower(), "sli": {"type": kind, **changes}, "objectivePercent": percent, "tolerance": tolerance
    }  # fmt: skip
    return ServiceLevelObjective.model_validate(document)


def fold(seconds: list[VersionSecond], objectives: tuple[Objective, ...] = OBJECTIVES) -> Evidence:
    return fold_evidence(Evidence(version="new", segment=1, since=NOW), "old", objectives, seconds)


def verdict_after(length: int, own: dict[str, Any], other: dict[str, Any], **options: Any) -> Verdict:
    seconds = [
        build_second(version, NOW + t, **changes)
        for t in range(1, length + 1)
        for version, changes in (("new", own), ("old", other))
    ]
    return judge(fold(seconds), OBJECTIVES, *ALPHAS, NOW + length, **options)


GOOD: dict[str, Any] = {}
BAD = {"gateway_bad": 18}
SLOW = {"model_latency": (0,) * 15 + (20,) + (0,) * 7}
DEAD_MODEL = {"bad_fallbacks": 20, "model_latency": (0,) * 23}
LOST_USERS = {"unknown_users": 12}
SILENT = {"answers": 0, "model_latency": (0,) * 23, "gateway_requests": 0}
GARBLED = {"errors": ("pod: NaN",), "bad_fallbacks": 20}
BLIND = {"pods_scraped": 0, "answers": 0, "model_latency": (), "gateway_requests": 20}
UNREAD = {"pods_scraped": 0, "gateway_requests": None, "gateway_bad": None, "answers": 0, "model_latency": ()}


@pytest.mark.parametrize(
    ("slo", "own", "length"),
    [
        (build_slo("Availability", "99.9", name="fallback"), DEAD_MODEL, 12),
        (build_slo("Fallback", "99.5", tolerance="9", name="fallback"), {"bad_fallbacks": 1}, 60),
        (build_slo("Availability", "99.9", name="unknown-users"), LOST_USERS, 60),
    ],
)
def test_what_is_always_watched_is_watched_beside_an_objective_of_its_name(
    slo: ServiceLevelObjective, own: dict[str, Any], length: int
) -> None:
    objectives = resolve_objectives([slo])
    seconds = [
        build_second(version, NOW + t, **changes)
        for t in range(1, length + 1)
        for version, changes in (("new", own), ("old", GOOD))
    ]
    verdict = judge(fold(seconds, objectives), objectives, *ALPHAS, NOW + length)
    assert verdict.kind == "Fail"
    assert len({line.name for line in verdict.lines}) == len(verdict.lines), "status lists them by name"


@pytest.mark.parametrize(
    ("length", "own", "other", "kind", "about"),
    [
        (5, GOOD, GOOD, "Undecided", ""),
        (120, GOOD, GOOD, "Pass", ""),
        (12, BAD, GOOD, "Fail", "available"),
        (12, SLOW, GOOD, "Fail", "fast"),
        (12, DEAD_MODEL, GOOD, "Fail", "fallback"),
        (60, LOST_USERS, GOOD, "Fail", "unknown-users"),
        (12, BAD, BAD, "BothBreach", "available"),
        (40, BAD, {"gateway_bad": 4}, "Fail", "worse than stable"),
        (61, SILENT, GOOD, "NoData", "no request"),
        (20, UNREAD, UNREAD, "MetricsUnavailable", "no reading"),
        (5, UNREAD, UNREAD, "Undecided", ""),
        (20, BLIND, GOOD, "MetricsUnavailable", "no reading of all ready pods"),
        (20, {"pods_scraped": 3}, GOOD, "MetricsUnavailable", "no reading of all ready pods"),
        (12, {**BLIND, **BAD}, GOOD, "Fail", "available"),
        (12, {**UNREAD}, GOOD, "Fail", "available"),
        (12, {**GARBLED, **BAD}, GOOD, "Fail", "available"),
        (12, {**GARBLED, **BAD}, {**GARBLED, **BAD}, "BothBreach", "available"),
        (20, GARBLED, GOOD, "MetricsUnavailable", "no reading of all ready pods"),
    ],
)
def test_what_both_arms_did_gives_the_verdict(
    length: int, own: dict[str, Any], other: dict[str, Any], kind: str, about: str
) -> None:
    verdict = verdict_after(length, own, other)
    assert verdict.kind == kind
    assert about in verdict.message


def test_all_at_once_nothing_is_compared_with_an_arm_without_users() -> None:
    assert verdict_after(60, GOOD, SILENT).kind == "Undecided"
    assert verdict_after(60, GOOD, SILENT, alone=True).kind == "Pass"


def test_where_stable_was_sick_before_only_the_comparison_counts() -> None:
    sick = {"gateway_bad": 10}
    assert verdict_after(40, sick, sick).kind == "BothBreach"
    assert verdict_after(40, sick, sick, against_stable_only=True).kind == "Undecided"


def test_time_alone_never_passes() -> None:
    slow = {"answers": 1, "gateway_requests": 1, "model_latency": (0, 0, 0, 1) + (0,) * 19}
    assert verdict_after(100, slow, GOOD).kind == "Undecided"


def test_an_undecided_verdict_says_what_is_needed_and_what_would_have_been_found() -> None:
    verdict = verdict_after(20, GOOD, GOOD)
    assert 0 < verdict.detectable < 0.3
    assert max(line.needed for line in verdict.lines) > 0
    assert next(line for line in verdict.lines if line.name == "available").n == 400


def test_a_second_is_folded_once() -> None:
    seconds = [build_second("new", NOW + 1), build_second("old", NOW + 1)]
    once = fold(seconds)
    assert fold_evidence(once, "old", OBJECTIVES, seconds) == once


def test_seconds_of_before_the_weight_change_do_not_count() -> None:
    assert fold([build_second("new", NOW), build_second("new", NOW - 5)]).answers == 0


def test_data_errors_are_no_events() -> None:
    evidence = fold([replace(build_second("new", NOW + 1, gateway_requests=None), errors=("NaN",))])
    assert (evidence.answers, evidence.errors) == (0, 1)
    evidence = fold([build_second("new", NOW + 1, **GARBLED)])
    counts = {o.name: evidence.line(o.name).candidate.n for o in OBJECTIVES}
    assert counts == {"available": 20, "fast": 0, "fallback": 0, "unknown-users": 0}, "the gateway made no error"


def test_evidence_survives_status_unchanged() -> None:
    evidence = fold([build_second(v, NOW + t, gateway_bad=1) for t in range(1, 9) for v in ("new", "old")])
    assert Evidence.model_validate_json(evidence.model_dump_json(by_alias=True)) == evidence


def test_the_fallback_objective_is_always_there_and_can_only_be_tightened() -> None:
    def limits(*slos: ServiceLevelObjective) -> list[float]:
        return [round(o.limit, 4) for o in resolve_objectives(slos) if o.sli == "Fallback"]

    assert limits() == [0.01]
    assert limits(build_slo("Fallback", "99.9")) == [0.002]
    assert min(limits(build_slo("Fallback", "90"))) == 0.01


@pytest.mark.parametrize(
    ("second", "events"),
    [
        (build_second("v", NOW, gateway_requests=30, gateway_bad=7), (30, 7)),
        (build_second("v", NOW, gateway_requests=None, gateway_bad=None), (20, 0)),
        (build_second("v", NOW, gateway_requests=None, pods_scraped=3, restarts=1), (22, 2)),
        (build_second("v", NOW, gateway_requests=None, gateway_bad=None, failures=5), (25, 5)),
    ],
)
def test_availability_comes_from_the_gateway_or_from_the_harm_that_can_be_seen(
    second: VersionSecond, events: tuple[int, int]
) -> None:
    assert count_events(Objective("a", "Availability", 0.01, 0.02, 0.01), second) == events


def test_latency_counts_answers_above_the_threshold() -> None:
    objective = next(o for o in OBJECTIVES if o.sli == "Latency")
    exactly = tuple(20 if n == 9 else 0 for n in range(23))
    above = tuple(20 if n == 10 else 0 for n in range(23))
    assert count_events(objective, build_second("v", NOW, model_latency=exactly)) == (20, 0)
    assert count_events(objective, build_second("v", NOW, model_latency=above)) == (20, 20)


def test_stables_health_counts_from_its_last_breach_or_gap() -> None:
    good = [build_second("old", NOW + t) for t in range(1, 11)]
    health = fold_health(None, "old", OBJECTIVES, good)
    assert isinstance(health, Health)
    assert health.healthy_seconds() == 9
    after_gap = fold_health(health, "old", OBJECTIVES, [build_second("old", NOW + 60)])
    assert after_gap is not None
    assert after_gap.healthy_seconds() == 0
    unread = fold_health(health, "old", OBJECTIVES, [build_second("old", NOW + t, **BLIND) for t in range(11, 31)])
    assert unread is not None
    assert (unread.healthy_seconds(), unread.is_fresh(NOW + 30)) == (9, False), "the gateway alone does not tell"
    sick = fold_health(health, "old", OBJECTIVES, [build_second("old", NOW + t, gateway_bad=15) for t in range(11, 31)])
    assert sick is not None
    assert sick.healthy_seconds() < 2
    assert sick.breached == "available"
    later = fold_health(sick, "old", OBJECTIVES, [build_second("old", NOW + 100)])
    assert later is not None
    assert later.breached == "", "a breach of before a gap is history"
    well = fold_health(sick, "old", OBJECTIVES, [build_second("old", NOW + t) for t in range(31, 100)])
    assert well is not None
    assert well.healthy_seconds() > 30
