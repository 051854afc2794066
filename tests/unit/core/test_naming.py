"""Names of children."""

import pytest

from recsys_operator.core import naming
from recsys_operator.core.decision import StartJob


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (StartJob("movies-0123456789", "prepare"), "movies-0123456789-prepare"),
        (StartJob("movies-0123456789", "train"), "movies-0123456789-train"),
        (StartJob("movies-0123456789", "train", attempt=2), "movies-0123456789-train-2"),
        (StartJob("movies-0123456789", "evaluate", key="abcd1234"), "movies-0123456789-eval-abcd1234"),
        (StartJob("movies-0123456789", "report", reports_stage="train", attempt=2), "movies-0123456789-report-train-2"),
        (
            StartJob("movies-0123456789", "report", reports_stage="evaluate", key="ab"),
            "movies-0123456789-report-eval-ab",
        ),
    ],
)
def test_a_job_is_named_by_what_it_is_for(act: StartJob, name: str) -> None:
    assert naming.job_name(act.version, act) == name


def test_the_longest_names_fit_a_pods_host_name_and_stay_different() -> None:
    version = "m" * 40 + "-0123456789"
    acts = [
        StartJob(version, "evaluate", attempt, key) for attempt in (1, 2) for key in ("abcd12345678", "abcd12345679")
    ]
    names = [naming.job_name(version, act) for act in acts]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 60 for name in names)
