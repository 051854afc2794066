"""Tables that TorchRec splits over two processes are those of one: the same losses, weights, answers and checkpoints."""

import json
import signal
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.trainer.conftest import Manifest
from tests.unit.trainer.test_families import data_for, model, questions, training
from tests.unit.trainer.test_parallel import SCRIPT, both, ended, fit_command, line_with
from tests.unit.trainer.trained_together import outcome
from torch import Tensor

from recsys_trainer import cli
from recsys_trainer.data.mapping import mapped_tensors
from recsys_trainer.errors import ManifestError
from recsys_trainer.fit import TORCHREC, fit, split_tables, validation_on
from recsys_trainer.fitting.split import Split, copy_part, draw_start
from recsys_trainer.fitting.task import Task
from recsys_trainer.models.base import start_factors
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.on_disk import tensor_on_disk
from recsys_trainer.parallel import ALONE, Place, Workers

MF, BY_ROW = "MatrixFactorization", {"type": "RowWiseAdagrad", "learningRate": 0.1}
CASES: dict[str, dict[str, Any]] = {
    "a read for each table": {"training": {"loss": {"type": "BCE", "negatives": 4}}},
    "several reads of a table": {"model": {"similarity": "Dot"}, "training": {"loss": {"type": "SampledSoftmax"}}},
    "a penalty": {"model": {"regularization": 0.01}, "training": {"loss": {"type": "BPR"}}},
    "weight decay and a falling rate": {
        "training": {"optimizer": {**BY_ROW, "weightDecay": 0.01, "schedule": "Linear"}, "loss": {"type": "BCE"}},
    },
    "batches of one, which leave a share empty": {"training": {"batchSize": 5, "epochs": 1, "loss": {"type": "BCE"}}},
    "nobody asked": {"training": {"loss": {"type": "BCE"}, "epochs": 1}},
}


def case(changes: dict[str, Any], tables: str) -> dict[str, Any]:
    settings = {"optimizer": BY_ROW, "tables": tables, **changes["training"]}
    return {"family": MF, "model": changes.get("model", {}), "training": settings}


def test_two_parts_give_the_losses_answers_and_weights_of_one_table(tmp_path: Path) -> None:
    cases = [case(changes, "Sharded") for changes in CASES.values()]
    with both([sys.executable, str(SCRIPT), json.dumps(cases), str(tmp_path)]) as started:
        alone = [outcome(case(changes, "Replicated"), ALONE) for changes in CASES.values()]
        assert [(code, said) for code, _, said in ended(started) if code] == []
    together, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, whole, first, second in zip(CASES, alone, together, other, strict=True):
        assert first["losses"] == pytest.approx(whole["losses"], rel=1e-5), name
        assert first["losses"] == second["losses"], name
        assert first["ndcg"] == pytest.approx(whole["ndcg"], abs=1e-3), name
        assert second["weights"] == {}, "the first process writes"
        for tensor, values in whole["weights"].items():
            torch.testing.assert_close(first["weights"][tensor], values, rtol=1e-3, atol=1e-5, msg=f"{name}: {tensor}")


SHARDED = {
    "model": {"architecture": MF, "embeddingDim": 8},
    "training": {
        "epochs": 20, "patience": 20, "batchSize": 1024, "nodes": 2, "checkpointSeconds": 1,
        "tables": "Sharded", "optimizer": BY_ROW, "loss": {"type": "BCE", "negatives": 4},
    },
}  # fmt: skip


def fitted(output: Path, manifest: Path, *, interrupted: bool = False) -> dict[str, Any]:
    """The manifest of what two processes export."""
    command = fit_command(manifest, output)
    if interrupted:
        with both(command) as started:
            line_with('"epoch"', started[0])
            started[1].send_signal(signal.SIGTERM)
            assert [code for code, _, _ in ended(started)] == [143, 143]
        files = sorted(each.suffix for each in (output / "checkpoint").iterdir())
        assert files == [".json", ".safetensors"], "the index and one state, of both processes"
    with both(command) as started:
        (code, _, said), (other, _, _) = ended(started)
    assert (code, other) == (0, 0), said
    assert ("resumed at epoch" in said) == interrupted
    manifest_: dict[str, Any] = json.loads((output / "artifact/manifest.json").read_text())
    return manifest_


def test_an_interrupted_run_of_two_parts_exports_the_bits_of_a_whole_one_and_the_factors_of_one_table(
    write_manifest: Manifest, tmp_path: Path
) -> None:
    manifest = write_manifest(**SHARDED)
    whole = fitted(tmp_path / "whole", manifest)
    assert fitted(tmp_path / "out", manifest, interrupted=True)["digest"] == whole["digest"]
    summary = json.loads((tmp_path / "out/reports/training.json").read_text())
    assert (summary["resumes"], summary["resumeExact"], summary["processes"]) == (1, True, 2)
    one = write_manifest(**{**SHARDED, "training.tables": "Replicated", "training.nodes": 1})
    assert cli.main(["fit", "-f", str(one), "--output", str(tmp_path / "one")]) == 0
    alone = json.loads((tmp_path / "one/reports/training.json").read_text())
    assert [each["loss"] for each in summary["history"]] == pytest.approx(
        [each["loss"] for each in alone["history"]], rel=1e-4
    )
    files = (mapped_tensors(tmp_path / name / "artifact/weights.safetensors") for name in ("out", "one"))
    parts, table = ({name: torch.tensor(values) for name, values in each.items()} for each in files)
    for name in ("user_factors", "item_factors"):
        torch.testing.assert_close(parts[name], table[name], rtol=1e-2, atol=1e-3)


def test_one_process_has_nobody_to_share_tables_with() -> None:
    settings = training(MF, optimizer=BY_ROW, tables="Sharded")
    with pytest.raises(ManifestError, match=r"^spec.training.tables: is Sharded, and there is one process .* torchrun"):
        fit(model(MF), settings, data_for(MF), None, "cpu")


def test_split_tables_say_what_they_cannot_be_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ManifestError, match=r"^spec.training.tables: is Sharded, and the device is cuda.* gpusPerNode: 0"
    ):
        split_tables("cuda", Workers(Place(0, 2)))
    monkeypatch.setitem(sys.modules, "fbgemm_gpu", None)
    with pytest.raises(ManifestError) as caught:
        split_tables("cpu", Workers(Place(0, 2)))
    assert caught.value.line.startswith("spec.training.tables: is Sharded, and TorchRec cannot be loaded (")
    assert f"pip install --no-deps {TORCHREC} and" in caught.value.line
    assert "the image `trainer`" in caught.value.line


def test_the_packages_that_are_asked_for_are_those_of_the_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert set(TORCHREC.split()) <= set(project["project"]["optional-dependencies"]["sharded"])


@dataclass
class Part:
    """Rows of a table, without anybody to look others up from."""

    rows: int
    begin: int
    values_RD: Tensor
    sums_R: Tensor

    def lookup(self, row_U: Tensor) -> Tensor:
        raise NotImplementedError

    def set_rate(self, rate: float) -> None:
        raise NotImplementedError


def part(rows: int, begin: int, width: int, count: int) -> Part:
    return Part(rows, begin, torch.full((count, width), torch.nan), torch.zeros(count))


@pytest.mark.parametrize(("rows", "width"), [(5, 3), (40_001, 3), (16_384, 1), (49_153, 2)])
def test_parts_start_from_the_bits_of_the_whole(rows: int, width: int) -> None:
    torch.manual_seed(3)
    whole, after = start_factors(rows, width, 0.1), torch.rand(())
    for begin, count in ((0, rows // 2), (rows // 2, rows - rows // 2), (rows, 0)):
        found = part(rows, begin, width, count)
        torch.manual_seed(3)
        draw_start(found, 0.1)
        assert torch.equal(found.values_RD, whole[begin : begin + count])
        assert torch.equal(torch.rand(()), after), "the next table starts from the same number"
        copy_part(found, found.values_RD, whole + 1)
        assert torch.equal(found.values_RD, whole[begin : begin + count] + 1)


def test_a_process_needs_its_share_of_the_tables() -> None:
    positives, asked = data_for(MF), validation_on(questions(data_for(MF)), 60, "cpu")
    shape, settings = model(MF, embeddingDim=1000), training(MF, optimizer=BY_ROW, tables="Sharded")
    table = 4 * 1000 * (positives.users + positives.items)
    for world in (2, 4):
        split = Split(lambda rows, width, decay: part(rows, 0, width, rows), tensor_on_disk)
        task = Task(shape, settings, positives, asked, "cpu", workers=Workers(Place(0, world)), split=split)
        assert round(table / FAMILIES[MF].needed_bytes(task)) == world


def anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def test_a_tensor_on_disk_keeps_its_values_and_takes_no_memory() -> None:
    before, size = anonymous_bytes(), 2**25
    found = tensor_on_disk((size // 8, 8)).fill_(1.5)
    assert anonymous_bytes() - before < size, "of four times that"
    assert float(found.sum(dtype=torch.float64)) == 1.5 * size
    assert tensor_on_disk((0, 8)).shape == (0, 8)
