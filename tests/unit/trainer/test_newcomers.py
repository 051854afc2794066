"""Users and items that came after the training: what the report says of them, against a naive computation."""

import json
from collections.abc import Callable
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest

from recsys_api.artifact import ArtifactManifest, SnapshotManifest
from recsys_trainer import cli
from recsys_trainer.artifact.served import Served, load_served
from recsys_trainer.data.snapshot import Snapshot, read_snapshot

ROWS, OLD, NEW, ITEMS = 1200, 40, 12, 30


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tastes; after 80 % of the time some new users of both come, and one new item."""
    random = np.random.default_rng(0)
    order = np.arange(ROWS)
    user = np.where((order >= 0.8 * ROWS) & (order % 2 == 0), OLD + order % NEW, random.integers(0, OLD, ROWS))
    item = 2 * random.integers(0, ITEMS // 2, ROWS) + user % 2
    item = np.where((order > 0.9 * ROWS) & (order % 10 == 0), ITEMS, item)
    stars = np.where(item % 3 == 0, 5.0, 2.0) + random.choice([-1.0, 0.0, 1.0], ROWS)
    folder = tmp_path_factory.mktemp("newcomers")
    table = {"user_id": user, "item_id": item, "ts": 1_600_000_000 + order, "stars": stars}
    pq.write_table(pa.table(table), folder / "a.parquet")
    return folder


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, write_manifest: Manifest, source: Path) -> Callable[[str], Path]:
    """The output folder of a family's fit, made once."""
    made: dict[str, Path] = {}

    def output(family: str) -> Path:
        if family not in made:
            changes: dict[str, Any] = {"model": {"architecture": family, "embeddingDim": 4}}
            changes |= {"training": {} if family == "PureSVD" else {"epochs": 4}, "data.columns.rating": "stars"}
            made[family] = tmp_path_factory.mktemp(family) / "out"
            manifest = write_manifest(f"file://{source}", **changes)
            assert cli.main(["fit", "-f", str(manifest), "--output", str(made[family])]) == 0
        return made[family]

    return output


def read(output: Path) -> tuple[dict[str, Any], Snapshot, Served]:
    folder, artifact = output / "snapshot", output / "artifact"
    snapshot = read_snapshot(folder, SnapshotManifest.model_validate_json((folder / "snapshot.json").read_bytes()))
    manifest = ArtifactManifest.model_validate_json((artifact / "manifest.json").read_bytes())
    return json.loads((output / "report.json").read_text()), snapshot, load_served(artifact, manifest.model)


def did(snapshot: Snapshot, part: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for at in np.flatnonzero(snapshot.part_I == part):
        found.setdefault(snapshot.users[snapshot.user_I[at]], []).append(snapshot.items[snapshot.item_I[at]])
    return found


def naive_ndcg(served: Served, answer: list[str], wanted: set[str], k: int = 10) -> float:
    gain = sum(1 / log2(place + 2) for place, item in enumerate(answer[:k]) if item in wanted)
    return gain / sum(1 / log2(place + 2) for place in range(min(k, len(wanted))))


def test_unknown_users_are_judged_by_what_serving_answers_from_their_history(outputs: Callable[[str], Path]) -> None:
    report, snapshot, served = read(outputs("PureSVD"))
    trained, between, test = (did(snapshot, part) for part in (0, 1, 2))
    values = []
    for user in test.keys() - trained.keys():
        had = [served.item_ids.index(item) for item in between.get(user, []) if item in served.item_ids]
        if had:
            rows, _ = served.top_from(np.array(sorted(had), dtype=np.int32), 10)
            values.append(naive_ndcg(served, [served.item_ids[row] for row in rows], set(test[user])))
    block = report["unknownUsers"]
    assert block["behaviour"] == "FoldIn"
    assert 5 <= len(values) <= NEW
    assert block["metrics"]["ndcg@10"]["n"] == len(values)
    assert block["metrics"]["ndcg@10"]["value"] == pytest.approx(np.mean(values), abs=1e-9)
    assert set(block["baselines"]) == {"popularity", "recentPopularity", "itemKNN", "ease"}
    for name in ("itemKNN", "ease"):
        assert block["baselines"][name]["ndcg@10"]["value"] > block["baselines"]["popularity"]["ndcg@10"]["value"]
    assert block["metrics"]["ndcg@10"]["value"] > block["baselines"]["popularity"]["ndcg@10"]["value"]


def test_a_family_that_does_not_fold_in_answers_them_by_popularity(outputs: Callable[[str], Path]) -> None:
    report, _, served = read(outputs("BiasedMF"))
    block = report["unknownUsers"]
    assert block["behaviour"] == "Popularity"
    assert served.fold_in is None
    assert block["metrics"] == block["baselines"]["popularity"]


@pytest.mark.parametrize("family", ["PureSVD", "BiasedMF"])
def test_cold_users_are_answered_by_popularity_as_without_a_history(
    family: str, outputs: Callable[[str], Path]
) -> None:
    """`cold` and `metricsAllUsers` are of requests that name nothing."""
    report, snapshot, _ = read(outputs(family))
    cold = did(snapshot, 2).keys() - did(snapshot, 0).keys()
    assert report["cold"]["metrics"]["hr@10"]["n"] == len(cold)
    everybody = {name: each["value"] for name, each in report["baselinesAllUsers"]["popularity"].items()}
    n = report["data"]["warmUsers"], report["data"]["coldUsers"]
    warm, of_cold = (report[block] for block in ("baselines", "cold"))
    value = (n[0] * warm["popularity"]["hr@10"]["value"] + n[1] * of_cold["metrics"]["hr@10"]["value"]) / sum(n)
    assert everybody["hr@10"] == pytest.approx(value)


def test_cold_items_are_counted_and_left_out_apart(outputs: Callable[[str], Path]) -> None:
    report, snapshot, served = read(outputs("PureSVD"))
    trained, test = did(snapshot, 0), did(snapshot, 2)
    wanted = [(user, item) for user, items in test.items() for item in items]
    cold = [item for _, item in wanted if item not in served.item_ids]
    assert cold
    counts = report["coldItems"]
    assert (counts["items"], counts["interactions"], counts["ofInteractions"]) == (1, len(cold), len(wanted))
    with_known = {user for user, item in wanted if user in trained and item in served.item_ids}
    assert counts["metricsWithout"]["recall@20"]["n"] == len(with_known)
    values = []
    for user in with_known:
        rows, _ = served.top(served.users.index(user), np.zeros(0, np.int32), 20)
        known = {item for item in test[user] if item in served.item_ids}
        values.append(len(known & {served.item_ids[row] for row in rows}) / len(known))
    assert counts["metricsWithout"]["recall@20"]["value"] == pytest.approx(np.mean(values), abs=1e-9)


@pytest.mark.parametrize("family", ["BiasedMF", "ExplicitALS", "ProbabilisticMF"])
def test_rating_errors_stand_beside_the_mean_and_the_biases_and_unknown_users_apart(
    family: str, outputs: Callable[[str], Path]
) -> None:
    report, snapshot, served = read(outputs(family))
    assert set(report["ratingsBaselines"]) == {"ratingBias", "mean"}
    assert snapshot.rating_I is not None
    trained = snapshot.rating_I[snapshot.part_I == 0].astype(np.float64)
    error = []
    for at in np.flatnonzero(snapshot.part_I == 2):
        user, item = snapshot.users[snapshot.user_I[at]], snapshot.items[snapshot.item_I[at]]
        if user in served.users and item in served.item_ids:
            error.append(float(snapshot.rating_I[at]) - trained.mean())
    mean = report["ratingsBaselines"]["mean"]["rmse"]
    assert mean["n"] == report["ratings"]["rmse"]["n"] == len(error)
    assert mean["value"] == pytest.approx(float(np.sqrt(np.mean(np.square(error)))))
    assert report["ratingsBaselines"]["ratingBias"]["rmse"]["value"] < mean["value"]
    unknown = report["unknownUsers"]
    assert unknown["ratings"]["rmse"]["n"] == unknown["ratingsBaselines"]["mean"]["rmse"]["n"] > 10
    of_newcomers = [
        float(snapshot.rating_I[at]) - trained.mean()
        for at in np.flatnonzero(snapshot.part_I == 2)
        if snapshot.users[snapshot.user_I[at]] in did(snapshot, 1).keys() - did(snapshot, 0).keys()
        and snapshot.items[snapshot.item_I[at]] in served.item_ids
    ]
    expected = float(np.sqrt(np.mean(np.square(of_newcomers))))
    assert unknown["ratingsBaselines"]["mean"]["rmse"]["value"] == pytest.approx(expected)


def test_the_probabilistic_family_says_how_sure_it_is_and_the_others_do_not(outputs: Callable[[str], Path]) -> None:
    report, _, _ = read(outputs("ProbabilisticMF"))
    sure = report["ratingUncertainty"]
    assert sure["n"] == report["ratings"]["rmse"]["n"]
    assert sure["deviation"] > 0.9, "at least that of a rating around its mean"
    assert 0.8 < sure["within95"] <= 1
    surer = (sure["n"] + 1) // 2
    squares = surer * sure["rmseSurerHalf"] ** 2 + (sure["n"] - surer) * sure["rmseOtherHalf"] ** 2
    assert squares / sure["n"] == pytest.approx(report["ratings"]["rmse"]["value"] ** 2, rel=1e-5)
    assert "Of " in (outputs("ProbabilisticMF") / "report.html").read_text()
    assert "ratingUncertainty" not in read(outputs("BiasedMF"))[0]


def test_families_of_interactions_have_no_rating_errors(outputs: Callable[[str], Path]) -> None:
    report, _, _ = read(outputs("PureSVD"))
    assert report["ratings"] == report["ratingsBaselines"] == report["unknownUsers"]["ratings"] == {}


def test_ratings_of_other_data_than_the_trainings_are_judged_by_the_artifacts_rows(
    outputs: Callable[[str], Path], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the users are gone and a strange one is there, so that no row means the same in the data and the artifact."""
    table = pq.read_table(source)
    kept = table.filter(pa.array([user % 2 == 0 for user in table["user_id"].to_pylist()]))
    strange = pa.table({"user_id": [-1] * 3, "item_id": [0, 1, 2], "ts": [1_600_000_000] * 3, "stars": [1.0] * 3})
    (tmp_path / "data").mkdir()
    pq.write_table(pa.concat_tables([kept, strange]), tmp_path / "data/a.parquet")
    again = ["evaluate", "--artifact", str(outputs("BiasedMF") / "artifact"), "--data", str(tmp_path / "data")]
    assert cli.main([*again, "--output", str(tmp_path / "out")]) == 0
    assert "note: the data has digest" in capsys.readouterr().err
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["baselines"]["ratingBias"]["hr@10"]["n"] == report["metrics"]["hr@10"]["n"] > 0
    assert report["ratingsBaselines"]["ratingBias"]["rmse"]["n"] == report["ratings"]["rmse"]["n"] > 0
