"""Worker: our ImplicitALS and our matrix factorization with BPR, 64 factors; requests and answers as in implicit_worker.py.

While a search looks, the validation of the trainer itself is the look; its seconds hold it too, so races fit without looking.
"""

from typing import Any

import numpy as np
import torch

from benchmarks.peers.ranks import ndcg
from benchmarks.peers.worker import arguments, serve, timed
from benchmarks.whole_rows import whole_rows
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.evaluation.ranking import Pairs, Questions
from recsys_trainer.fit import fit
from recsys_trainer.training_data import Positives, seen_of


def manifest(settings: dict[str, Any], epochs: int, patience: int) -> tuple[Model, Training]:
    """The part of a manifest that the settings stand for."""
    training: dict[str, Any] = {"epochs": epochs, "patience": patience}
    if "unobservedWeight" in settings:
        squares = {"unobservedWeight": settings["unobservedWeight"]}
        model = {"architecture": "ImplicitALS", "regularization": settings["regularization"], "leastSquares": squares}
    else:
        model = {"architecture": "MatrixFactorization", "regularization": settings["regularization"]}
        training |= {"batchSize": settings["batchSize"], "loss": {"type": "BPR", "negatives": settings["negatives"]}}
        training["optimizer"] = {"learningRate": settings["learningRate"]}
    return Model.model_validate({**model, "embeddingDim": 64}), Training.model_validate(training)


def read(path: str) -> tuple[Positives, np.ndarray[Any, np.dtype[np.int64]]]:
    """(what trains, the wanted item of each user or -1)."""
    part = dict(np.load(path))
    return whole_rows(part["indptr"], part["indices"], int(part["items"])), part["wanted"]


def questions(positives: Positives, wanted: np.ndarray[Any, np.dtype[np.int64]]) -> Questions:
    """One wanted item of each user who has one."""
    asked = np.flatnonzero(wanted >= 0)
    pairs = Pairs.ordered(np.arange(len(asked)), wanted[asked])
    return Questions(asked, seen_of(asked, positives), pairs, np.ones(len(asked), dtype=np.int64))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fit."""
    positives, wanted = read(request["part"])
    model, training = manifest(request["settings"], request["epochs"], request["patience"])
    if request["look"]:
        fitted = fit(model, training, positives, questions(positives, wanted), "cpu")
        points = [{"epoch": each["epoch"], "ndcg": each["ndcg@10"]} for each in fitted.history]
        return {"curve": points}
    fitted, spent = timed(lambda: fit(model, training, positives, None, "cpu"))
    if not request["scores"]:
        return {**spent, "ndcg": None}
    user, item = (fitted.weights[name].numpy() for name in ("user_factors", "item_factors"))
    return {**spent, "ndcg": ndcg(user, item, positives.indptr, positives.indices, wanted).tolist()}


def main() -> None:
    """Command line."""
    torch.set_num_threads(arguments().threads)
    torch.use_deterministic_algorithms(True)  # as the trainer does
    serve(answer)


if __name__ == "__main__":
    main()
