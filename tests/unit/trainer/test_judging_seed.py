"""`training.seed` draws what training draws; what judges is drawn by the split's seed."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest, spec

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.data import Split
from recsys_trainer import cli
from recsys_trainer.again import prepare_in_memory
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.training_data import MAX_VALIDATION_USERS, Positives, build_positives, build_validation

MANY = MAX_VALIDATION_USERS + 400
OF_THE_DATA = ("baselines", "baselinesAllUsers", "bootstrapSeed")
"""Of a report: what the weights do not change."""


@pytest.fixture(scope="module")
def judged(write_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Any]]:
    """(report.json, ncf-protocol.json) of a fit that asks some of the test users."""

    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    columns = {"user_id": random.integers(0, 300, 6000), "item_id": random.integers(0, 200, 6000)}
    pq.write_table(pa.table({**columns, "ts": np.arange(6000)}), folder / "a.parquet")

    def run(training_seed: int, **split: Any) -> tuple[Any, Any]:
        output = tmp_path_factory.mktemp("judged")
        manifest = write_manifest(
            f"file://{folder}",
            **{"training.epochs": 1, "training.seed": training_seed, "evaluation.maxUsers": 100, "data.split": split},
        )
        assert cli.main(["fit", "-f", str(manifest), "--output", str(output)]) == 0
        report, protocol = (json.loads((output / name).read_text()) for name in ("report.json", "ncf-protocol.json"))
        return report, protocol

    return run


@pytest.mark.parametrize("split", [{}, {"strategy": "Random", "seed": 3}])
def test_trainings_of_other_seeds_are_asked_the_same(
    judged: Callable[..., tuple[Any, Any]], split: dict[str, Any]
) -> None:
    (first, by_first), (second, by_second) = (judged(seed, **split) for seed in (1, 2))
    assert first["data"]["testUsers"] == 100 < first["data"]["ofTestUsers"]
    assert first["metrics"] != second["metrics"], "they are other weights"
    assert {name: first[name] for name in OF_THE_DATA} == {name: second[name] for name in OF_THE_DATA}
    assert by_first["baselines"] == by_second["baselines"]
    assert by_first["seed"] == by_second["seed"] == first["bootstrapSeed"] == split.get("seed", 0)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Positives]:
    """More users with a validation interaction than are asked while training."""
    folder = tmp_path_factory.mktemp("many")
    user, item = np.arange(MANY * 3) % MANY, np.arange(MANY * 3) // MANY
    pq.write_table(pa.table({"user_id": user, "item_id": item, "ts": np.arange(MANY * 3)}), folder / "a.parquet")
    whole = spec(f"file://{folder}", **{"data.split": {"strategy": "LeaveOneOut"}})
    snapshot = prepare_in_memory(RecommenderModelSpec.model_validate(whole))
    return snapshot, build_positives(snapshot)


def test_who_validates_while_training_is_drawn_by_the_split(many: tuple[Snapshot, Positives]) -> None:
    asked = [build_validation(*many, split) for split in (Split(), Split(seed=0), Split(strategy="Random", seed=1))]
    users = [questions.user_N.tolist() for questions in asked if questions is not None]
    assert [len(each) for each in users] == [MAX_VALIDATION_USERS] * 3
    assert users[0] == users[1] != users[2]
