"""The GPU benchmark on a CPU, small: the same code, the rows it must have, and negatives that are none of the positives."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import measure
from benchmarks.gpu.measure import Model, Options, contained, fitted, negatives_rows, step_bytes, synthetic

from recsys_trainer.fitting.task import Speed

SMALL = Options(80, 50, 900, batch=200, epochs=2, model=Model(4, 8, (16, 8)))


def test_interactions_are_distinct_and_as_many_as_asked_for() -> None:
    positives = synthetic(SMALL, "cpu")
    assert (positives.users, positives.items, len(positives.indices)) == (80, 50, 900)
    keys = torch.repeat_interleave(positives.indptr.diff()) * 50 + positives.indices
    assert torch.equal(keys, torch.unique(keys))
    popular = torch.bincount(positives.indices, minlength=50).sort(descending=True).values
    assert popular[:10].sum() > 2 * popular[-20:].sum(), "some items are more popular than others"


def test_the_branches_have_widths_of_their_own_and_the_loss_falls() -> None:
    result, network = fitted(SMALL, synthetic(SMALL, "cpu"), "cpu")
    shapes = {name: tuple(values.shape) for name, values in result.weights.items()}
    assert (shapes["gmf_user"], shapes["mlp_item"], shapes["out.weight"]) == ((80, 4), (50, 8), (1, 4 + 8))
    losses = [epoch["loss"] for epoch in result.history]
    assert (len(losses), losses[-1] < losses[0]) == (3, True)
    values = sum(each.numel() for each in network.parameters())
    assert step_bytes(SMALL, network) == 32 * values + 16 * 12 * 200 * 1.2


def test_autocast_and_compile_reach_the_steps() -> None:
    positives = synthetic(SMALL, "cpu")
    plain, _ = fitted(SMALL, positives, "cpu")
    torch.compiler.reset()
    whole = {"backend": "eager", "fullgraph": True, "dynamic": False}  # the network is one graph, or this raises
    found = [fitted(replace(SMALL, speed=Speed(half, whole)), positives, "cpu") for half in (False, True)]
    (exact, compiled), (half, _) = found
    assert compiled._compiled_call_impl is not None
    losses = [result.history[-1]["loss"] for result in (plain, exact, half)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=0.02)
    assert losses[2] != pytest.approx(losses[0], rel=1e-6), "bfloat16 rounds otherwise"
    assert {values.dtype for values in half.weights.values()} == {torch.float32}


def test_no_negative_is_a_positive_and_the_search_for_them_would_find_one() -> None:
    positives = synthetic(SMALL, "cpu")
    row = next(row for row in negatives_rows(SMALL, positives, "cpu") if "are positives" in row["name"])
    assert (row["value"], row["ok"]) == (0, True)
    user_P = torch.repeat_interleave(positives.indptr.diff())
    assert contained(positives, user_P, positives.indices.unsqueeze(1)).all()


@pytest.fixture
def products_as_before() -> Iterator[None]:
    """The command computes products of float32 less exactly; tests after it must not."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("products_as_before")
def test_the_command_writes_rows_with_a_limit_of_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = "--users 60 --items 40 --interactions 600 --batch 200 --epochs 1 --device cpu --no-compile --no-half"
    monkeypatch.setattr(sys, "argv", ["gpu", *sizes.split(), "--json", str(tmp_path / "gpu.json")])
    monkeypatch.setattr(measure, "COPIED_BYTES", {"cpu": 2**20})
    command.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    rate, share = found["rows"][:2]
    assert rate["unit"] == "samples/s"
    assert share["value"] == pytest.approx(rate["value"] / rate["peerValue"])
    assert (rate["atLeast"], found["environment"]["device"]) == (None, "cpu")
    assert "samples/s" in capsys.readouterr().out
