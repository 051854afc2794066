"""Worker: an epoch of our NeuMF on ML-100K, and how fast this machine multiplies matrices of its layers' shapes."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.held_out import csr
from benchmarks.peers.data import ml_100k
from benchmarks.peers.worker import arguments, serve, timed
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.fit import fit
from recsys_trainer.training_data import Positives

MODEL = {"architecture": "NeuMF", "embeddingDim": 64, "hiddenLayers": [256, 128, 64]}
LAYERS = ((128, 256), (256, 128), (128, 64))
SHARE = 0.8
"""Of the ratings; RecBole's default, which it trains on."""


def positives_of(folder: Path) -> Positives:
    """A random part."""
    user, item = ml_100k(folder)
    keep = np.random.default_rng(0).permutation(len(user))[: int(SHARE * len(user))]
    users, items = int(user.max()) + 1, int(item.max()) + 1
    rows = np.arange(users, dtype=np.int32), np.arange(items, dtype=np.int32)
    return Positives(*rows, *csr(user[keep], item[keep], users), 0)


def multiply_adds() -> int:
    """Of one sample: forwards, and for both gradients."""
    return 3 * sum(before * after for before, after in LAYERS)


def product_rate(batch: int) -> float:
    """Multiply-adds a second of CPU time in the products of a step, nothing else."""
    sides = [
        (torch.randn(batch, before), torch.randn(after, before), torch.randn(batch, after)) for before, after in LAYERS
    ]
    seconds = []
    for _ in range(4):
        began = time.process_time()
        for left, weight, grad in sides:
            left @ weight.T, grad @ weight, grad.T @ left
        seconds.append(time.process_time() - began)
    return batch * multiply_adds() / min(seconds)


def main() -> None:
    """Requests: {"batch"}; answers: {"samples", "seconds", "cpuSeconds", "productRate"}."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)  # as the trainer does
    positives, model = positives_of(options.data), Model.model_validate(MODEL)

    def epoch(request: dict[str, Any]) -> dict[str, Any]:
        training = Training.model_validate({"epochs": 1, "batchSize": request["batch"]})
        fitted, spent = timed(lambda: fit(model, training, positives, None, "cpu"))
        return {"samples": fitted.samples, **spent, "productRate": product_rate(request["batch"])}

    serve(epoch)


if __name__ == "__main__":
    main()
