"""ncf-protocol.json: who is asked, who is left out and why, and the figures of model and baselines."""

import json
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recsys_api.artifact import ArtifactManifest
from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_trainer.artifact.served import Served, load_served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.evaluate import PopularityScorer
from recsys_trainer.evaluation.questions import build_test_part
from recsys_trainer.evaluation.ranking import Scorer
from recsys_trainer.evaluation.sampled import NEGATIVES, Sampled, draw_probes, protocol_report


@pytest.fixture
def protocol(fitted: Path) -> NcfProtocolReport:
    return NcfProtocolReport.model_validate_json((fitted / "ncf-protocol.json").read_bytes())


@pytest.fixture
def served(fitted: Path) -> Served:
    manifest = ArtifactManifest.model_validate_json((fitted / "artifact/manifest.json").read_bytes())
    return load_served(fitted / "artifact", manifest.model)


def test_it_says_how_it_was_made_and_that_nothing_is_chosen_by_it(
    protocol: NcfProtocolReport, fitted: Path, fitted_report: dict[str, Any]
) -> None:
    assert (protocol.negatives, protocol.seed) == (99, fitted_report["bootstrapSeed"])
    assert "He et al. 2017" in protocol.paper
    assert "strictly higher (>)" in protocol.ties
    assert "Krichene and Rendle 2020" in protocol.caution
    assert (fitted / "reports/ncf-protocol-local.json").read_bytes() == (fitted / "ncf-protocol.json").read_bytes()


def test_model_and_every_baseline_of_the_report_are_judged_on_the_same_users(
    protocol: NcfProtocolReport, fitted_report: dict[str, Any]
) -> None:
    assert list(protocol.baselines) == list(fitted_report["baselines"])
    for block in (protocol.metrics, *protocol.baselines.values()):
        assert {name: metric.n for name, metric in block.items()} == {
            "hr@10": protocol.users,
            "ndcg@10": protocol.users,
        }
    block = fitted_report["sampledNegatives"]
    published = protocol.to_dict()
    assert (block["metrics"], block["popularity"]) == (published["metrics"], published["baselines"]["popularity"])


def test_everybody_in_the_test_was_asked_or_has_a_reason(
    protocol: NcfProtocolReport, fitted_report: dict[str, Any], snapshot: Snapshot, served: Served
) -> None:
    data = fitted_report["data"]
    left_out = {each.reason: each.users for each in protocol.left_out}
    assert protocol.test_users == data["testUsers"] == protocol.users + sum(left_out.values())
    assert left_out["NoTraining"] == data["coldUsers"]
    first: dict[int, int] = {}
    for at in build_test_part(snapshot, "All", 0).chosen_T:
        first.setdefault(int(snapshot.user_I[at]), int(snapshot.item_I[at]))
    warm = set(snapshot.user_I[snapshot.part_I == 0].tolist())
    known = rows_of(snapshot.items, served.item_ids) >= 0
    unknown = sum(user in warm and not known[item] for user, item in first.items())
    assert left_out["UnknownItem"] == unknown > 0


@pytest.mark.parametrize("name", ["model", "popularity"])
def test_the_figures_are_those_of_the_definition(
    protocol: NcfProtocolReport, snapshot: Snapshot, served: Served, name: str
) -> None:
    item_rows = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    test = build_test_part(snapshot, "All", 0)
    probes = draw_probes(snapshot, test, item_rows, served.items, protocol.seed)
    scorer: Scorer = served if name == "model" else PopularityScorer(served)
    hits, gains = [], []
    for at, warm in enumerate(probes.warm_M):
        asked = slice(at * (NEGATIVES + 1), (at + 1) * (NEGATIVES + 1))
        position, columns = probes.pairs.user_R[asked], probes.pairs.item_R[asked]
        assert len(set(position.tolist())) == 1
        user = test.user_N[position[0]]
        touched = item_rows[snapshot.item_I[snapshot.user_I == user]]
        assert columns[0] in touched
        assert not set(columns[1:].tolist()) & set(touched.tolist())
        if warm:
            row = served.users.index(snapshot.users[int(user)])
            scores = scorer.scores(torch.tensor([row]))[0][torch.from_numpy(columns)]
            ahead = int((scores[1:] > scores[0]).sum())
            hits.append(ahead < 10)
            gains.append(1 / log2(ahead + 2) if ahead < 10 else 0)
    block = protocol.metrics if name == "model" else protocol.baselines[name]
    assert block["hr@10"].value == pytest.approx(np.mean(hits))
    assert block["ndcg@10"].value == pytest.approx(np.mean(gains))


def test_who_has_touched_nearly_everything_is_left_out(snapshot: Snapshot, served: Served) -> None:
    item_rows = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    test = build_test_part(snapshot, "All", 0)
    probes = draw_probes(snapshot, test, item_rows, served.items, 0)
    greedy = int(test.user_N[probes.pairs.user_R[0]])
    had = np.flatnonzero(item_rows >= 0)
    more = replace(
        snapshot,
        user_I=np.concatenate((np.full(len(had), greedy, dtype=np.int32), snapshot.user_I)),
        item_I=np.concatenate((had.astype(np.int32), snapshot.item_I)),
        timestamp_I=np.concatenate((np.zeros(len(had), dtype=np.int64), snapshot.timestamp_I)),
        part_I=np.concatenate((np.zeros(len(had), dtype=np.uint8), snapshot.part_I)),
    )
    after = draw_probes(more, build_test_part(more, "All", 0), item_rows, served.items, 0)
    reasons = [{each.reason: each.users for each in found.left_out} for found in (probes, after)]
    assert reasons[1]["TooFewNegatives"] == reasons[0]["TooFewNegatives"] + 1
    assert len(after.warm_M) == len(probes.warm_M) - 1


def test_nobody_asked_is_a_report_without_figures() -> None:
    nothing = {"hr@10": np.zeros(0), "ndcg@10": np.zeros(0)}
    report = protocol_report(Sampled({"model": nothing, "popularity": nothing}), {"ease": "too many items"}, 0)
    assert (report.users, report.metrics, report.baselines) == (0, {}, {"popularity": {}})
    assert json.loads(json.dumps(report.to_dict()))["baselinesLeftOut"] == {"ease": "too many items"}
