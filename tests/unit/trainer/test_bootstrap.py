"""Bootstrap intervals."""

import numpy as np
import pytest

from recsys_trainer.evaluation import bootstrap


def test_the_interval_is_that_of_the_normal_theory_for_many_users() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.1, 2500)
    low, high = bootstrap.interval(values, seed=1)
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == (
        pytest.approx(values.mean() - error, abs=error / 5),
        pytest.approx(values.mean() + error, abs=error / 5),
    )


def test_the_same_seed_gives_the_same_interval_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"a": np.random.default_rng(0).random(100)}
    whole = bootstrap.with_intervals(values, 7)
    monkeypatch.setattr(bootstrap, "_CHUNK_DRAWS", 5_000)
    assert bootstrap.with_intervals(values, 7) == whole
    assert bootstrap.with_intervals(values, 8) != whole


def test_no_users_have_no_metrics() -> None:
    assert bootstrap.with_intervals({"a": np.zeros(0)}, 0) == {}
