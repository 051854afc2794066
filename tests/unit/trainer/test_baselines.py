"""The baselines are what their papers say, and each report has them or says why not."""

from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recsys_api.artifact import ArtifactManifest
from recsys_api.spec.evaluation import Baselines
from recsys_trainer.artifact.served import Served, load_served
from recsys_trainer.baselines.build import build_baselines
from recsys_trainer.baselines.history import Histories
from recsys_trainer.baselines.item_based import ease_weights, item_knn_weights
from recsys_trainer.baselines.rating_bias import RatingBias
from recsys_trainer.data.snapshot import Snapshot


@pytest.fixture
def served(fitted: Path) -> Served:
    manifest = ArtifactManifest.model_validate_json((fitted / "artifact/manifest.json").read_bytes())
    return load_served(fitted / "artifact", manifest.model)


def dense(served: Served) -> torch.Tensor:
    rows = torch.zeros(len(served.users), served.items)
    for row in range(len(served.users)):
        rows[row, served.seen(row).astype(np.int64)] = 1.0
    return rows


def test_histories_are_the_training_interactions_and_unknown_users_have_none(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys_trainer.baselines.history.CHUNK_VALUES", 7 * served.items)
    histories, expected = Histories.of(served), dense(served)
    assert torch.equal(histories.rows(torch.tensor([5, -1, 0])), expected[[5, 0, 0]] * torch.tensor([[1.0], [0], [1]]))
    torch.testing.assert_close(histories.gram(), expected.T @ expected)


def test_ease_restores_the_rows_best_among_all_models_with_an_empty_diagonal(served: Served) -> None:
    rows = dense(served).double()
    weights = ease_weights((rows.T @ rows), 20.0)
    assert not weights.diagonal().any()
    slope = rows.T @ (rows @ weights - rows) + 20.0 * weights
    slope.fill_diagonal_(0.0)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-8, rtol=0)


def test_item_knn_keeps_the_nearest_and_shrinks_the_rare() -> None:
    gram = torch.tensor([[4.0, 2.0, 1.0], [2.0, 4.0, 0.0], [1.0, 0.0, 1.0]])
    found = item_knn_weights(gram, neighbours=1, shrinkage=0.0)
    assert found.tolist() == [[0, 0.5, 0.5], [0.5, 0, 0], [0, 0, 0]]
    shrunk = item_knn_weights(gram, neighbours=2, shrinkage=2.0)
    assert shrunk[0].tolist() == pytest.approx([0, 2 / 6, 1 / 4])


@pytest.mark.parametrize("half_life", [1, 100], ids=["oldest-after-thousands", "oldest-after-some"])
def test_items_stand_in_the_order_of_interactions_that_halve_with_age(
    served: Served, snapshot: Snapshot, half_life: int
) -> None:
    built = build_baselines(served, snapshot, 0, Baselines(popularity_half_life_seconds=half_life))
    found = built.scorers["recentPopularity"].scores(torch.tensor([0, -1]))
    times = snapshot.timestamp_I[snapshot.part_I == 0]
    with localcontext(prec=50):
        weights = dict.fromkeys(served.item_ids, Decimal(0))
        for item, when in zip(snapshot.item_I[snapshot.part_I == 0], times, strict=True):
            weights[snapshot.items[item]] += Decimal(2) ** (Decimal(int(when - times.max())) / half_life)
    places = {weight: place for place, weight in enumerate(sorted(set(weights.values())))}
    assert found[0].tolist() == [places[weight] for weight in weights.values()]
    assert torch.equal(found[0], found[1])


def test_unknown_users_get_popularity_from_item_based_baselines(served: Served, snapshot: Snapshot) -> None:
    built = build_baselines(served, snapshot, 0, Baselines())
    for name in ("itemKNN", "ease"):
        assert torch.equal(built.scorers[name].scores(torch.tensor([3, -1]))[1], served.popularity())


@pytest.mark.parametrize("users", [7, 50, 333])
@pytest.mark.parametrize("items", [2, 4, 37])
def test_items_that_only_rounding_tells_apart_have_no_inverse_on_any_machine(users: int, items: int) -> None:
    """Whether the last pivots come out below 0 depends on the order in which a processor adds."""
    alike = torch.ones(users, items)
    with pytest.raises(ValueError, match="no inverse"):
        ease_weights(alike.T @ alike, 1e-9)


def test_what_cannot_be_made_is_said(served: Served, snapshot: Snapshot) -> None:
    timeless = replace(snapshot, timestamp_I=np.zeros_like(snapshot.timestamp_I))
    built = build_baselines(served, timeless, 0, Baselines(), free_bytes=1000)
    assert built.scorers == {}
    assert set(built.left_out) == {"recentPopularity", "itemKNN", "ease"}
    assert "0 MiB are free" in built.left_out["ease"]


def test_an_ease_that_has_no_inverse_is_left_out_and_the_setting_named(served: Served, snapshot: Snapshot) -> None:
    same = np.tile(
        np.arange(4, dtype=np.int32), len(served.users)
    )  # all items alike: only the penalty tells them apart
    alike = replace(served, indptr=np.arange(len(served.users) + 1) * 4, indices=same)
    built = build_baselines(alike, snapshot, 0, Baselines(ease_regularization=1e-9), free_bytes=2**30)
    assert set(built.scorers) == {"recentPopularity", "itemKNN"}
    assert built.left_out == {
        "ease": "easeRegularization 1e-09 is too small to invert the items' table; raise spec.evaluation.baselines.easeRegularization"
    }


def test_the_bias_model_is_mean_and_damped_biases() -> None:
    model = RatingBias(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([5.0, 3.0, 4.0]), users=2, items=2)
    first = ((5 - 4) + (4 - 4)) / (2 + 25)
    second = (3 - 4) / (1 + 25)
    user = ((5 - 4 - first) + (3 - 4 - second)) / (2 + 10)
    assert float(model.ratings(torch.tensor([0]), torch.tensor([1]))) == pytest.approx(4 + second + user)
    assert model.scores(torch.tensor([0, -1]))[:, 0].tolist() == pytest.approx([4 + first + user, 4 + first])


def test_the_report_has_every_baseline_for_warm_and_for_all_users(fitted_report: dict[str, Any]) -> None:
    for block in ("baselines", "baselinesAllUsers"):
        assert set(fitted_report[block]) == {"popularity", "recentPopularity", "itemKNN", "ease"}
        assert all("ndcg@10" in metrics for metrics in fitted_report[block].values())
    assert fitted_report["baselinesLeftOut"] == {}
    assert (
        fitted_report["baselines"]["ease"]["ndcg@10"]["value"]
        > fitted_report["baselines"]["popularity"]["ndcg@10"]["value"]
    )
