"""Every family from a manifest to the model server: fitted by the CLI, exported, loaded with its golden answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tests.unit.trainer.conftest import Manifest

from recsys_api.artifact import ArtifactManifest, SnapshotManifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.model import WITH_LAYERS, WITH_RATINGS, WITH_STEPS
from recsys_serving.loading import load_scorer
from recsys_trainer import cli
from recsys_trainer.artifact.served import Served, load_served
from recsys_trainer.data.snapshot import Snapshot, read_snapshot
from recsys_trainer.data.split import TEST
from recsys_trainer.models.ratings import predict_ratings
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.progress import silent
from recsys_trainer.recommend import recommend
from recsys_trainer.training import fit_snapshot

ALL = sorted(FAMILIES)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory, table: pa.Table) -> Path:
    folder = tmp_path_factory.mktemp("rated")
    stars = pa.array(1.0 + np.arange(table.num_rows) % 5)
    pq.write_table(table.append_column("stars", stars), folder / "part-0.parquet")
    return folder


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, write_manifest: Manifest, rated: Path) -> Callable[[str], Path]:
    """The output folder of a family's fit, made once."""
    made: dict[str, Path] = {}

    def output(family: str) -> Path:
        if family not in made:
            model = {"architecture": family, "embeddingDim": 4}
            training: dict[str, Any] = {} if family == "PureSVD" else {"epochs": 2}
            if family in WITH_STEPS:
                training |= {"batchSize": 256, "optimizer": {"learningRate": 0.01}}
            changes = {"model": model, "training": training, "data.columns.rating": "stars"}
            made[family] = tmp_path_factory.mktemp(family) / "out"
            arguments = ["-f", str(write_manifest(f"file://{rated}", **changes)), "--output", str(made[family])]
            assert cli.main(["fit", *arguments]) == 0
        return made[family]

    return output


def artifact(output: Path) -> tuple[ArtifactManifest, Served]:
    manifest = ArtifactManifest.model_validate_json((output / "artifact/manifest.json").read_bytes())
    return manifest, load_served(output / "artifact", manifest.model)


@pytest.mark.parametrize("family", ALL)
def test_the_model_server_loads_the_artifact_with_its_golden_answers(
    family: str, outputs: Callable[[str], Path]
) -> None:
    manifest, served = artifact(outputs(family))
    scorer = load_scorer(outputs(family) / "artifact", manifest.digest, CPU)
    assert (scorer.users, scorer.items) == (len(served.users), len(served.item_ids))
    assert manifest.model.architecture == family


@pytest.mark.parametrize("family", ALL)
def test_recommend_repeats_the_golden_answers(family: str, outputs: Callable[[str], Path]) -> None:
    golden = json.loads((outputs(family) / "artifact/golden.json").read_text())
    for asked in golden[:3] + golden[-4:]:
        (found,) = recommend(outputs(family), [asked["user"]], asked["seen"], 50)
        known = asked["row"] >= 0
        assert found.items == asked["items"]
        assert found.fallback_reason == ("None" if known else "UnknownUser")
        assert found.source == ("Model" if asked["scores"] else "Popularity")
        if asked["scores"]:
            np.testing.assert_allclose(found.scores, asked["scores"], rtol=1e-5)
        assert len(found.deviations) == (len(found.items) if known and family == "ProbabilisticMF" else 0)
        assert (found.deviations > 0.9).all(), "a rating spreads by probabilistic.sigma at least"


@pytest.mark.parametrize("family", ["ImplicitALS", "ProbabilisticMF"])
def test_who_has_seen_everything_gets_an_empty_answer(family: str, outputs: Callable[[str], Path]) -> None:
    _, served = artifact(outputs(family))
    (found,) = recommend(outputs(family), [served.users[0]], list(served.item_ids.take(np.arange(served.items))), 10)
    assert (found.source, found.items, len(found.deviations)) == ("Model", [], 0)


@pytest.mark.parametrize("family", ALL)
def test_unknown_users_get_popularity(family: str, outputs: Callable[[str], Path]) -> None:
    _, served = artifact(outputs(family))
    assert torch.equal(served.scores(torch.tensor([-1]))[0], served.popularity())


@pytest.mark.parametrize("family", ALL)
def test_the_snapshot_holds_the_ratings_that_the_manifest_names(family: str, outputs: Callable[[str], Path]) -> None:
    found = snapshot(outputs(family))
    assert found.rating_I is not None
    assert len(found.rating_I) == len(found.user_I)
    if found.rating_I is not None:
        assert found.rating_I.dtype == np.float32
        assert found.rating_I.tolist() == [1.0 + (when - 1_600_000_000) % 5 for when in found.timestamp_I.tolist()]


def snapshot(output: Path) -> Snapshot:
    folder = output / "snapshot"
    return read_snapshot(folder, SnapshotManifest.model_validate_json((folder / "snapshot.json").read_bytes()))


@pytest.mark.parametrize("family", ALL)
def test_permuting_the_test_part_leaves_the_weights_bitwise_identical(
    family: str, outputs: Callable[[str], Path]
) -> None:
    found = snapshot(outputs(family))
    random, test = np.random.default_rng(0), np.flatnonzero(found.part_I == TEST)
    users, items = found.user_I.copy(), found.item_I.copy()
    users[test], items[test] = random.permutation(users[test]), random.permutation(items[test])
    other = replace(found, user_I=users, item_I=items)
    if found.rating_I is not None:
        ratings = found.rating_I.copy()
        ratings[test] = 99.0
        other = replace(other, rating_I=ratings)
    first, second = (fit_snapshot(spec(family), each, "cpu", silent)[1].weights for each in (found, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def spec(family: str) -> RecommenderModelSpec:
    layers = {"hiddenLayers": [8]} if family in WITH_LAYERS else {}
    return RecommenderModelSpec.model_validate(
        {
            "data": {"source": {"uri": "s3://x/"}, "columns": {"rating": "stars"}},
            "artifacts": {"uri": "s3://x/"},
            "model": {"architecture": family, "embeddingDim": 4, **layers},
            "training": {"epochs": 2, "batchSize": 512},
            "rollout": {"gateway": {"name": "g"}},
        }
    )


@pytest.mark.parametrize("family", WITH_RATINGS)
def test_predicted_ratings_are_the_served_scores_and_unknown_pairs_have_what_is_known_of_them(
    family: str, outputs: Callable[[str], Path]
) -> None:
    _, served = artifact(outputs(family))
    users, items = torch.tensor([0, 3, 2]), torch.tensor([5, 1, 0])
    expected = served.scores(users)[torch.arange(3), items]
    torch.testing.assert_close(predict_ratings(served.network, users, items), expected)
    mean = dict(served.network.named_parameters())["global_bias"]
    nobody = predict_ratings(served.network, torch.tensor([-1]), torch.tensor([-1]))
    torch.testing.assert_close(nobody, mean.detach())


def test_scores_of_other_families_are_no_ratings(outputs: Callable[[str], Path]) -> None:
    _, served = artifact(outputs("ImplicitALS"))
    with pytest.raises(ValueError, match="no ratings"):
        predict_ratings(served.network, torch.tensor([0]), torch.tensor([0]))


@pytest.mark.parametrize("family", WITH_RATINGS)
def test_a_manifest_without_a_rating_column_is_refused_with_64(
    family: str, write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(**{"model": {"architecture": family}, "training": {}})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")]) == 64
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for words in ("spec.data.columns.rating", family, "name the column"):
        assert words in error


def test_a_row_without_a_rating_is_quarantined_and_counted(
    table: pa.Table, write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stars = pa.array([None if row % 100 == 0 else 3.0 for row in range(table.num_rows)])
    pq.write_table(table.append_column("stars", stars), tmp_path / "data.parquet")
    changes = {"model": {"architecture": "ExplicitALS"}, "training": {"epochs": 1}, "data.columns.rating": "stars"}
    strict = write_manifest(f"file://{tmp_path / 'data.parquet'}", **changes)
    assert cli.main(["fit", "-f", str(strict), "--output", str(tmp_path / "out")]) == 65
    assert "30 of 3000 rows have no usable stars (nullRating 30)" in capsys.readouterr().err
    changes |= {"data.validation.maxNullFraction": "0.01"}
    lenient = write_manifest(f"file://{tmp_path / 'data.parquet'}", **changes)
    assert cli.main(["fit", "-f", str(lenient), "--output", str(tmp_path / "out")]) == 0
    assert snapshot(tmp_path / "out").manifest.problems == {"nullRating": 30}
