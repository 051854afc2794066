"""How fast steps are by how OpenMP's threads wait for each other: as the trainer chooses, always spinning, always sleeping.

Alone on the CPUs, beside one busy process and beside two. Each is a process of its own, in turn; the rate is that of NeuMF's epochs
after the first, by the clock. Interactions are synthetic (seeded).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import recsys_trainer  # noqa: F401  first: it says how OpenMP waits before torch is loaded
from benchmarks.large_tables import synthetic_positives
from benchmarks.sizes import Sizes
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.crowding import SETTINGS
from recsys_trainer.device import torch_settings
from recsys_trainer.fit import fit

Row = dict[str, Any]
SIZES, EPOCHS, BATCH, ROUNDS, OTHERS = Sizes(users=2000, items=1000, interactions=60_000), 5, 2048, 3, (0, 1, 2)
OURS: dict[str, str] = {}
PEERS = {
    "always spinning (libgomp's default)": {"GOMP_SPINCOUNT": "300000"},
    "always sleeping": {"OMP_WAIT_POLICY": "PASSIVE"},
}
BUSY = "import os\nwhile os.getppid() == {parent}: pass"
"""Takes a CPU for as long as we live."""


def rows(rounds: int = ROUNDS) -> list[Row]:
    """A row for each peer and number of busy processes."""
    return [row for others in OTHERS for row in beside(others, rounds)]


def beside(others: int, rounds: int) -> list[Row]:
    """Ours and both peers."""
    ways = {"": OURS, **PEERS}
    with busy(others):
        found = [{name: rate(environment) for name, environment in ways.items()} for _ in range(rounds)]
    where = f"beside {others} busy processes" if others else "alone"
    return [
        {
            "name": f"waiting: NeuMF at batch {BATCH:,}, {where}", "unit": f"samples/s, {name}", "value": _middle(found, ""),
            "peer": name, "peerValue": _middle(found, name), "ratio": round(_middle(found, "") / _middle(found, name), 2),
            "atLeast": None, "ok": True, "rounds": [[each[""], each[name]] for each in found],
        }
        for name in PEERS
    ]  # fmt: skip


def _middle(found: list[dict[str, float]], name: str) -> float:
    return round(median(each[name] for each in found))


@contextmanager
def busy(others: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Beside so many processes that do nothing but take a CPU."""
    code = BUSY.format(parent=os.getpid())
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(others)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def rate(environment: dict[str, str]) -> float:
    """Samples a second of a process with such variables."""
    open_ = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-m", "benchmarks.waiting"]
    done = subprocess.run(command, env={**open_, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> None:
    """In the process that is measured."""
    asked = {"architecture": "NeuMF", "embeddingDim": 64, "hiddenLayers": [256, 128, 64], "regularization": 0}
    training = Training.model_validate({"epochs": EPOCHS, "batchSize": BATCH, "loss": {"negatives": 4}})
    model = Model.model_validate(asked)
    with torch_settings(training):
        fitted = fit(model, training, synthetic_positives(SIZES), None, "cpu")
    print(median(epoch["samplesPerSecond"] for epoch in fitted.history[1:]))


if __name__ == "__main__":
    main()
