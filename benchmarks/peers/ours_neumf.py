"""Worker: an epoch of our NeuMF on ML-100K, and how fast this machine multiplies matrices meanwhile."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.held_out import csr
from benchmarks.peers.data import ml_100k
from benchmarks.peers.worker import arguments, serve, timed
from benchmarks.whole_rows import whole_rows
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.fit import fit
from recsys_trainer.fitting.pairs import TrainingPairs
from recsys_trainer.negatives import NegativeSampler
from recsys_trainer.training_data import Positives

WIDTH, LAYERS, NEGATIVES = 64, (256, 128, 64), 4
MODEL = {"architecture": "NeuMF", "embeddingDim": WIDTH, "hiddenLayers": LAYERS, "regularization": 0}
SIDE = 1024
"""Of the matrices whose product is the limit."""
SHARE = 0.8
"""Of the ratings; RecBole's default, which it trains on."""


def positives_of(folder: Path) -> Positives:
    """A random part."""
    user, item = ml_100k(folder)
    keep = np.random.default_rng(0).permutation(len(user))[: int(SHARE * len(user))]
    users, items = int(user.max()) + 1, int(item.max()) + 1
    return whole_rows(*csr(user[keep], item[keep], users), items)


def multiply_adds(positives: Positives, batch: int) -> float:
    """Of one sample, forwards and for both gradients, in a batch of random positives with their negatives.

    The first layer is split, so that it multiplies each user and each item of the batch once.
    """
    step, random = batch // (1 + NEGATIVES), torch.Generator().manual_seed(0)
    pairs = TrainingPairs.of(positives, "cpu")
    user, item, _ = pairs.take(pairs.order(0, 1)[:step])
    sampler = NegativeSampler.of(positives.indptr, positives.indices, positives.items, "cpu")
    items = torch.cat((item.unsqueeze(1), sampler.draw(user, NEGATIVES, random)), dim=1)
    once = (
        WIDTH * LAYERS[0] * (user.bincount().count_nonzero().item() + items.flatten().bincount().count_nonzero().item())
    )
    each = sum(before * after for before, after in pairwise(LAYERS))
    return 3 * (once / items.numel() + each)


def product_rate() -> float:
    """Multiply-adds a second of CPU time of a single-precision product, the best of ten."""
    left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    seconds = []
    for _ in range(10):
        began = time.process_time()
        left @ right
        seconds.append(time.process_time() - began)
    return SIDE**3 / min(seconds)


def main() -> None:
    """Requests: {"batch"}; answers: {"samples", "seconds", "cpuSeconds", "multiplyAdds", "productRate"}."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)  # as the trainer does, this and the next
    memory: Any = torch.utils.deterministic
    memory.fill_uninitialized_memory = False
    positives, model = positives_of(options.data), Model.model_validate(MODEL)

    def epoch(request: dict[str, Any]) -> dict[str, Any]:
        asked = {"epochs": 1, "batchSize": request["batch"], "loss": {"negatives": NEGATIVES}}
        training = Training.model_validate(asked)
        fitted, spent = timed(lambda: fit(model, training, positives, None, "cpu"))
        work = multiply_adds(positives, request["batch"])
        return {"samples": fitted.samples, **spent, "multiplyAdds": work, "productRate": product_rate()}

    serve(epoch)


if __name__ == "__main__":
    main()
