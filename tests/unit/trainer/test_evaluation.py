"""The evaluation of an exported artifact, against the same figures computed naively from the snapshot."""

import json
from collections import Counter
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from recsys_trainer.data.mapping import read_ids


def naive_ndcg(scores: dict[str, float], wanted: set[str], seen: set[str], k: int = 10) -> float:
    """NDCG of one user, tied items at the mean of their positions' discounts."""
    rest = {item: score for item, score in scores.items() if item not in seen}
    gain = 0.0
    for item in wanted & rest.keys():
        above = sum(score > rest[item] for score in rest.values())
        tied = sum(score == rest[item] for score in rest.values())
        gain += sum(1 / log2(p + 1) for p in range(above + 1, above + tied + 1) if p <= k) / tied
    return gain / sum(1 / log2(p + 1) for p in range(1, min(k, len(wanted)) + 1))


@pytest.fixture
def rows(fitted: Path) -> list[tuple[str, str, int]]:
    folder = fitted / "snapshot"
    users, items = read_ids(folder / "users.idmap"), read_ids(folder / "items.idmap")
    tensors = load_file(folder / "interactions.safetensors")
    columns = (tensors["user_I"], tensors["item_I"], tensors["part_I"])
    return [(users[user], items[item], int(part)) for user, item, part in zip(*columns, strict=True)]


def grouped(rows: list[tuple[str, str, int]], part: int) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for user, item, of in rows:
        if of == part:
            found.setdefault(user, set()).add(item)
    return found


def test_popularity_is_what_a_naive_count_gives(
    fitted_report: dict[str, Any], rows: list[tuple[str, str, int]]
) -> None:
    counts: dict[str, float] = dict(Counter(item for _, item, part in rows if part == 0))
    seen, wanted = grouped(rows, 0), grouped(rows, 2)
    values = {user: naive_ndcg(counts, items, seen.get(user, set())) for user, items in wanted.items()}
    warm = [value for user, value in values.items() if user in seen]
    cold = [value for user, value in values.items() if user not in seen]
    assert warm
    assert cold
    blocks = (
        (fitted_report["baselines"]["popularity"], warm),
        (fitted_report["baselinesAllUsers"]["popularity"], warm + cold),
        (fitted_report["cold"]["metrics"], cold),
    )
    for block, expected in blocks:
        assert block["ndcg@10"]["value"] == pytest.approx(np.mean(expected), abs=1e-12)
        assert block["ndcg@10"]["n"] == len(expected)


def test_model_metrics_are_what_the_golden_rules_give(
    fitted: Path, fitted_report: dict[str, Any], rows: list[tuple[str, str, int]]
) -> None:
    import torch

    from recsys_api.artifact import ArtifactManifest
    from recsys_trainer.artifact.served import load_served

    manifest = ArtifactManifest.model_validate_json((fitted / "artifact/manifest.json").read_bytes())
    served = load_served(fitted / "artifact", manifest.model)
    seen, wanted = grouped(rows, 0), grouped(rows, 2)
    values = []
    for user in wanted.keys() & seen.keys():
        logits = served.scores(torch.tensor([served.users.index(user)]))[0].tolist()
        scores = dict(zip(served.item_ids, logits, strict=True))
        values.append(naive_ndcg(scores, wanted[user], seen[user]))
    assert fitted_report["metrics"]["ndcg@10"]["value"] == pytest.approx(np.mean(values), abs=1e-9)
    assert fitted_report["fullRanking"]["metrics"] == fitted_report["metrics"]


def test_the_report_has_every_published_name_and_adds_up(fitted: Path, fitted_report: dict[str, Any]) -> None:
    names = {
        f"{name}@{k}"
        for name in ("ndcg", "recall", "recallcapped", "precision", "hr", "mrr", "map")
        for k in (5, 10, 20, 50, 100)
    }
    assert set(fitted_report["metrics"]) == names
    data = fitted_report["data"]
    assert data["testUsers"] == data["warmUsers"] + data["coldUsers"]
    assert fitted_report["metricsAllUsers"]["hr@10"]["n"] == data["testUsers"]
    warm, cold, every = (
        fitted_report[block]["recall@20"]["value"]
        if block != "cold"
        else fitted_report["cold"]["metrics"]["recall@20"]["value"]
        for block in ("metrics", "cold", "metricsAllUsers")
    )
    assert every == pytest.approx((warm * data["warmUsers"] + cold * data["coldUsers"]) / data["testUsers"])
    assert fitted_report["retrieval"]["overlap@50"] == 1.0
    assert fitted_report["samplesPerSecond"] > 0
    assert fitted_report["training"]["epochsRun"] >= fitted_report["training"]["bestEpoch"] >= 1
    for metric in fitted_report["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert json.loads((fitted / "reports/evaluation-local.json").read_text()) == fitted_report
