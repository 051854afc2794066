"""This version beside the serving one: the block of report.json."""

import numpy as np
import pytest

from recsys_api.report import EvaluationReport
from recsys_api.run_spec import StableReference
from recsys_api.spec.evaluation import Evaluation
from recsys_trainer.evaluation.bootstrap import MIN_USERS, interval
from recsys_trainer.evaluation.evaluate import Paired
from recsys_trainer.evaluation.stable import NOT_GIVEN, NOTHING_SERVES, compare_with_stable
from recsys_trainer.html.beside import stable_section
from recsys_trainer.table import render

SERVING = StableReference(name="v1", version_uri="s3://m/v1", digest="sha256:1")
RANDOM = np.random.default_rng(5)
VALUE, STABLE = RANDOM.random(100), RANDOM.random(100)


def pair(warm: int, users: int = 100) -> Paired:
    names = ("ndcg@10", "hr@10")
    candidate, stable = (dict.fromkeys(names, of[:users]) for of in (VALUE, STABLE))
    return Paired(candidate, stable, np.arange(users) < warm, np.arange(users))


@pytest.mark.parametrize("warm", [100, 60])
def test_both_are_judged_on_the_same_users_by_the_paired_interval(warm: int) -> None:
    found = compare_with_stable(pair(warm), SERVING, "", 3, without=NOTHING_SERVES)
    assert (found.status, found.reason, found.name, found.digest) == ("Compared", "", "v1", "sha256:1")
    for block, users in ((found.metrics, warm), (found.metrics_all_users, 100)):
        assert set(block) == {"ndcg@10", "hr@10"}
        each = block["ndcg@10"]
        assert each.n == users
        assert (each.value, each.stable) == (pytest.approx(VALUE[:users].mean()), pytest.approx(STABLE[:users].mean()))
        assert each.difference == pytest.approx(each.value - each.stable)
        assert (each.low, each.high) == pytest.approx(interval(VALUE[:users] - STABLE[:users], 3))


def test_too_few_users_have_no_figures() -> None:
    few = compare_with_stable(pair(MIN_USERS - 1), SERVING, "", 0, without=NOTHING_SERVES)
    assert (few.status, few.metrics) == ("NotComparable", {})
    assert few.reason == (
        "29 warm users have test interactions later than both trainings, 30 are needed to compare with v1"
    )
    assert few.metrics_all_users["hr@10"].n == 100
    nobody = compare_with_stable(pair(0, 0), SERVING, "", 0, without=NOTHING_SERVES)
    assert (nobody.status, nobody.metrics, nobody.metrics_all_users) == ("NotComparable", {}, {})


def test_what_is_not_there_is_named_with_the_reason() -> None:
    gone = compare_with_stable(None, SERVING, "its artifact is gone from s3://m/v1", 0, without=NOTHING_SERVES)
    assert (gone.status, gone.name, gone.reason) == ("NotComparable", "v1", "its artifact is gone from s3://m/v1")
    first = compare_with_stable(None, None, "", 0, without=NOTHING_SERVES)
    assert (first.status, first.name, first.reason) == ("NothingServes", "", "nothing serves yet")
    assert compare_with_stable(None, None, "", 0, without=NOT_GIVEN) == NOT_GIVEN


def test_people_see_why_there_is_no_comparison(fitted_report: dict[str, object]) -> None:
    few = compare_with_stable(pair(MIN_USERS - 1), SERVING, "", 0, without=NOTHING_SERVES)
    report = EvaluationReport.model_validate(fitted_report).model_copy(update={"stable": few})
    for text in (render(report, Evaluation.model_validate({})), "".join(stable_section(report))):
        assert few.reason in text
        assert f"{few.metrics_all_users['hr@10'].stable:.4f}" in text
