"""`evaluation.maxUsers`: some of the test users are asked, and each gets what it got among all."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.trainer.conftest import spec

from recsys_api.artifact import ArtifactManifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_trainer.artifact.served import load_served
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.evaluate import Evaluated, LoadedArtifact
from recsys_trainer.evaluation.questions import build_test_part
from recsys_trainer.stages import evaluate_candidate
from recsys_trainer.table import asked_users

MOST = 7


@pytest.fixture
def loaded(fitted: Path) -> LoadedArtifact:
    manifest = ArtifactManifest.model_validate_json((fitted / "artifact/manifest.json").read_bytes())
    return LoadedArtifact(load_served(fitted / "artifact", manifest.model), manifest)


def evaluated(most: int | None, snapshot: Snapshot, loaded: LoadedArtifact, stable: LoadedArtifact | None) -> Evaluated:
    whole = RecommenderModelSpec.model_validate(spec("file:///data/"))
    asked = whole.evaluation.model_copy(update={"max_users": most})  # fewer than the API allows: the data is small
    return evaluate_candidate(whole.model_copy(update={"evaluation": asked}), snapshot, loaded, stable)


def test_each_of_them_gets_what_it_got_among_all(snapshot: Snapshot, loaded: LoadedArtifact) -> None:
    every, some = (evaluated(most, snapshot, loaded, loaded) for most in (None, MOST))
    assert len(some.test.user_N) == MOST < len(every.test.user_N) == some.test.of_users
    at = np.searchsorted(every.test.user_N, some.test.user_N)
    assert (every.test.user_N[at] == some.test.user_N).all()
    assert (every.test.warm_N[at] == some.test.warm_N).all()
    for name, of_user in some.candidate.items():
        np.testing.assert_allclose(of_user, every.candidate[name][at], atol=1e-6, err_msg=name)
    assert every.paired is not None
    assert some.paired is not None
    assert (some.paired.user_N == some.test.user_N).all()
    assert (some.paired.stable["ndcg@10"] == some.paired.candidate["ndcg@10"]).all()


def test_everybody_is_as_likely(snapshot: Snapshot) -> None:
    part = build_test_part(snapshot, "All", 0)
    drawn = [part.drawn(MOST, seed, snapshot).user_N for seed in range(400)]
    times = np.bincount(np.searchsorted(part.user_N, np.concatenate(drawn)), minlength=len(part.user_N))
    expected = 400 * MOST / len(part.user_N)
    assert abs(times - expected).max() < 5 * expected**0.5
    assert (part.drawn(MOST, 3, snapshot).user_N == part.drawn(MOST, 3, snapshot).user_N).all()


def test_more_than_there_are_is_everybody(snapshot: Snapshot) -> None:
    part = build_test_part(snapshot, "All", 0)
    assert part.drawn(len(part.user_N), 0, snapshot) is part


def test_a_report_says_of_how_many_they_were_drawn() -> None:
    assert asked_users({"testUsers": 20_000, "ofTestUsers": 3_000_000}) == "20000 test users, drawn from 3000000"
    assert asked_users({"testUsers": 90, "ofTestUsers": 90}) == "90 test users"
    assert asked_users({"testUsers": 90}) == "90 test users"
