"""Termination messages: read by the operator from pods that may have written anything."""

import json

import pytest

from recsys_api.run_spec import (
    EvaluateResult,
    GateResult,
    MetricValue,
    PrepareResult,
    TrainResult,
    parse_job_result,
)

METRIC = MetricValue(value=0.123456789012, low=0.1, high=0.15, n=900_000)
RESULTS = (
    PrepareResult(digest="sha256:" + "0" * 64, rows=100_000, users=943, items=1682, quarantined=3),
    TrainResult(digest="sha256:" + "0" * 64, samples_per_second=1e6, seconds=12.5, device="cpu", epochs=6),
    EvaluateResult(
        gates=(GateResult(name="floor", outcome="Pass", message="NDCG@10 is 0.12"),),
        metrics={"ndcg@10": METRIC},
        baseline={"ndcg@10": METRIC},
        cold_users=76,
    ),
    TrainResult(error="loss is NaN"),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.kind)
def test_result_is_read_back_as_it_was_written(result: PrepareResult | TrainResult | EvaluateResult) -> None:
    assert parse_job_result(json.dumps(result.to_dict())) == result


@pytest.mark.parametrize(
    "text",
    ["", "Killed", "{}", "[]", "null", '{"kind": "other"}', '{"kind": "train", "seconds": "soon"}', '{"kind": "pre'],
)
def test_foreign_or_truncated_message_is_no_result(text: str) -> None:
    assert parse_job_result(text) is None


def test_result_of_a_newer_trainer_is_still_read() -> None:
    assert parse_job_result('{"kind": "train", "digest": "sha256:00", "carbonGrams": 3}') == TrainResult(
        digest="sha256:00"
    )


def test_largest_evaluation_fits_a_termination_message() -> None:
    """Kubernetes cuts a message at 4,096 bytes, and half a JSON says nothing."""
    message = (
        "maxRegressionPercent 2 exceeded: Recall@20 is 0.0812 against 0.0891, -8.9 percent [-12.1, -5.6], n = 12000"
    )
    gates = tuple(GateResult(name=f"{n:02d}" * 20, outcome="NotComparable", message=message) for n in range(16))
    metrics = {name: METRIC for name in ("ndcg@10", "recall@20", "hr@10")}
    result = EvaluateResult(gates=gates, metrics=metrics, baseline=metrics, cold_users=10**6)
    assert len(json.dumps(result.to_dict()).encode()) <= 4096
