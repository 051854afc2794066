"""Worker, run by RecBole's environment: an epoch of its NeuMF on ML-100K by its own trainer, data loader and sampler.

The same net, optimizer and number of negatives as ours; its split, which trains on 80 % of the ratings.
"""

import functools
import itertools
import math
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.peers.worker import arguments, serve, timed

CONFIG = {
    "model": "NeuMF", "dataset": "ml-100k", "use_gpu": False, "state": "ERROR", "show_progress": False, "seed": 1,
    "mf_embedding_size": 64, "mlp_embedding_size": 64, "mlp_hidden_size": [256, 128, 64], "dropout_prob": 0.0,
    "learner": "adam", "learning_rate": 0.001, "train_neg_sample_args": {
        "distribution": "uniform", "sample_num": 4, "alpha": 1.0, "dynamic": False, "candidate_num": 0,
    },
}  # fmt: skip


class Part:
    """The first batches of an epoch, as the loader gives them."""

    def __init__(self, loader: Any, share: float) -> None:
        self._loader, self._batches, self.samples = loader, math.ceil(len(loader) * share), 0

    def __iter__(self) -> Iterator[Any]:
        for batch in itertools.islice(self._loader, self._batches):
            self.samples += len(batch)
            yield batch


def main() -> None:
    """Requests: {"batch", "share" of an epoch}; answers: {"samples", "seconds", "cpuSeconds"}."""
    options = arguments()
    torch.load = functools.partial(torch.load, weights_only=False)  # its files hold more than tensors
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import NeuMF
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    torch.set_num_threads(options.threads)
    folder = tempfile.TemporaryDirectory()
    os.chdir(folder.name)  # its trainer writes TensorBoard files to where it runs

    @functools.cache
    def prepared(batch: int) -> tuple[Any, Any]:
        given = {**CONFIG, "train_batch_size": batch, "checkpoint_dir": folder.name}
        config = Config(model="NeuMF", dataset="ml-100k", config_dict=given)
        init_seed(1, reproducibility=True)
        train, _, _ = data_preparation(config, create_dataset(config))
        return Trainer(config, NeuMF(config, train.dataset)), train

    def epoch(request: dict[str, Any]) -> dict[str, Any]:
        trainer, train = prepared(request["batch"])
        part = Part(train, request["share"])
        _, spent = timed(lambda: trainer._train_epoch(part, 0, show_progress=False))
        return {"samples": part.samples, **spent}

    serve(epoch)


if __name__ == "__main__":
    main()
