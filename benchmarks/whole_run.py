"""A whole version on large tables, from Parquet to an artifact that answers, in one group of limited memory.

    python -m benchmarks whole-run --users 10000000 --items 1000000 --interactions 100000000

Matrix factorization, d=64, BCE with 4 negatives, row-wise Adagrad, one epoch. The trainer's own processes run one after the
other: prepare; train, ended by SIGKILL once it has saved its state inside the epoch; train again, which goes on from there and
exports; the serving code loads the artifact, verifies its golden answers and answers for known users. Interactions are those of
the preparing benchmark. The group counts the page cache of what its processes read and write; the kernel takes that back.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.memory_group import join, memory_group, peak_mib
from benchmarks.preparing import write_interactions
from benchmarks.sizes import Sizes
from recsys_api.base import Contract
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import RunSpec

Row = dict[str, Any]
MEMORY_GIB = 12.0
"""That is wanted; 8 are the aim."""
WANTED = 150_000
"""Positives a second."""
BATCH, NEGATIVES = 65_536, 4
"""training.batchSize: positives with their negatives."""
SAVES, KILL_AFTER_SAVES = 20, 2
"""An epoch saves its state about so often (a small one each second), and is killed after so many."""
ASKED, ANSWERS = 200, 10
MODULE = "benchmarks.whole_run"


def rows(sizes: Sizes, memory_gib: float = MEMORY_GIB) -> list[Row]:
    """What each part took, and the rate of the epoch that was interrupted."""
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as name, memory_group(memory_gib) as group:
        folder = Path(name)
        write_interactions(folder / "data", sizes)
        (folder / "run.json").write_text(run_spec(folder, sizes).model_dump_json(by_alias=True))
        parts: dict[str, Any] = {"prepare": _ended(_child("prepare", folder, group)), "killed": killed(folder, group)}
        parts |= {each: _ended(_child(each, folder, group)) for each in ("train", "load")}
        if group:
            parts["groupPeakMib"] = peak_mib(group)
    return table(sizes, memory_gib, parts)


def run_spec(folder: Path, sizes: Sizes) -> RunSpec:
    """What the Jobs of this version would be told."""
    spec = RecommenderModelSpec.model_validate(
        {
            "data": {
                "source": {"uri": f"file://{folder}/data", "format": "Parquet"},
                "columns": {"timestamp": "ts"},
            },
            "artifacts": {"uri": f"file://{folder}", "credentialsSecretRef": {"name": "none"}},
            "model": {"architecture": "MatrixFactorization", "embeddingDim": 64, "regularization": 0},
            "training": {
                "epochs": 1, "batchSize": BATCH, "loss": {"type": "BCE", "negatives": NEGATIVES}, "refit": "Never",
                "optimizer": {"type": "RowWiseAdagrad"},
                "checkpointSeconds": max(1, sizes.interactions // WANTED // SAVES),
            },
            "rollout": {"gateway": {"name": "none"}},
        }
    )  # fmt: skip
    uri = f"file://{folder}/version"
    return RunSpec(
        namespace="bench",
        model="large",
        version="large-1",
        version_uid="1",
        number=1,
        version_uri=uri,
        spec=spec,
    )


def killed(folder: Path, group: Path | None) -> Row:
    """Train until the state has been saved some times, then end at once; what the last one says."""
    index = folder / "version" / "checkpoint" / "checkpoint.json"
    began, saves = time.perf_counter(), set[float]()
    with _child("train", folder, group) as training:
        while len(saves) < KILL_AFTER_SAVES:
            if training.poll() is not None:
                raise RuntimeError("training ended before it was interrupted; take more interactions")
            if index.exists():
                saves.add(index.stat().st_mtime)
            time.sleep(0.1)
        training.send_signal(signal.SIGKILL)
    saved = json.loads(index.read_text())["current"]["meta"]
    return {"seconds": time.perf_counter() - began, "epoch": saved["epoch"], "step": saved["step"]}


def table(sizes: Sizes, memory_gib: float, parts: dict[str, Any]) -> list[Row]:
    """A row for each figure."""
    name = f"{sizes.users:,} x {sizes.items:,}, {sizes.interactions:,} interactions"
    train, load = parts["train"], parts["load"]
    rate = train["positives"] / train["fitSeconds"]
    peak = max(parts[each]["peakMib"] for each in ("prepare", "train", "load")) / 1024
    seconds = sum(parts[each]["seconds"] for each in ("prepare", "killed", "train", "load"))
    found = [
        (f"epoch of {train['positives']:,} positives, killed at step {parts['killed']['step']}", "positives/s", rate, WANTED),
        (f"prepare {parts['prepare']['seconds']:.0f}, train {parts['killed']['seconds']:.0f} + {train['seconds']:.0f}, "
         f"load {load['seconds']:.0f}", "s", seconds, None),
        (f"largest process, in a group of {memory_gib:g} GiB" if "groupPeakMib" in parts else "largest process",
         "GiB resident", peak, None),
    ]  # fmt: skip
    return [
        {
            "name": f"{name}: {what}", "unit": unit, "value": round(value, 2 if value < 1000 else None),
            "peer": None if wanted is None else "what is wanted", "peerValue": wanted,
            "ratio": None if wanted is None else round(wanted / value, 2), "atLeast": wanted,
            "ok": (wanted is None or value >= wanted) and train["resumes"] == 1 and load["answered"] == ASKED,
            "details": parts,
        }
        for what, unit, value, wanted in found
    ]  # fmt: skip


def _child(what: str, folder: Path, group: Path | None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", MODULE, what, str(folder), *(["--group", str(group)] if group else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _ended(child: "subprocess.Popen[str]") -> Row:
    with child:
        text, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{child.args!r} ended with {child.returncode}")
    found: Row = json.loads(text)
    return found


def act(what: str, folder: Path) -> Row:
    """What the child does."""
    began = time.perf_counter()
    found = {"prepare": prepare, "train": train, "load": load}[what](folder)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    seconds = {"seconds": time.perf_counter() - began, "cpuSeconds": spent.ru_utime + spent.ru_stime}
    return {**found, **seconds, "peakMib": spent.ru_maxrss / 1024}


def _run(folder: Path) -> RunSpec:
    return RunSpec.model_validate_json((folder / "run.json").read_text())


def prepare(folder: Path) -> Row:
    """The preparing Job."""
    from recsys_trainer import stages
    from recsys_trainer.store import Store

    run = _run(folder)
    return _numbers(stages.prepare(run, Store(run.version_uri)))


def train(folder: Path) -> Row:
    """The training Job; from where the one before was ended."""
    import recsys_trainer  # noqa: F401  first: it sets how torch waits and allocates before torch is loaded
    from recsys_trainer import stages
    from recsys_trainer.outputs import observe_training
    from recsys_trainer.progress import lines, notes
    from recsys_trainer.store import Store

    run = _run(folder)
    store = Store(run.version_uri)
    stages.train(run, store, lines(), notes())
    summary = observe_training(store)
    assert summary is not None, "train has written it"
    return {
        "positives": summary.samples // (1 + NEGATIVES), "fitSeconds": summary.seconds, "resumes": summary.resumes,
        "users": summary.users, "items": summary.items, "history": summary.history, "digest": summary.digest,
    }  # fmt: skip


def load(folder: Path) -> Row:
    """What serving does before it is ready, then answers for some known users, one after the other."""
    import numpy as np
    import torch

    from recsys_api.artifact import ArtifactManifest
    from recsys_serving.loading import load_scorer

    artifact = folder / "version" / "artifact"
    digest = ArtifactManifest.model_validate_json((artifact / "manifest.json").read_bytes()).digest
    began = time.perf_counter()
    scorer = load_scorer(artifact, digest, torch.device("cpu"))
    loaded = time.perf_counter() - began
    asked, answered = np.random.default_rng(0).integers(0, scorer.users, ASKED), 0
    began = time.perf_counter()
    for row in asked.astype(np.int32):
        items_BK, _ = scorer.top_k(np.array([row], np.int32), np.zeros((1, 0), np.int32), ANSWERS)
        answered += int((items_BK >= 0).all())
    return {"loadSeconds": loaded, "answerMs": (time.perf_counter() - began) / ASKED * 1000, "answered": answered}


def _numbers(result: Contract) -> Row:
    return {name: value for name, value in result.model_dump(mode="json").items() if isinstance(value, int | float)}


def main() -> None:
    """What the child does, as JSON in the last line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "train", "load"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", type=Path)
    options = parser.parse_args()
    if options.group:
        join(options.group)
    print(json.dumps(act(options.what, options.folder)))


if __name__ == "__main__":
    main()
