"""What implicit's two workers share; numpy and scipy only.

Requests: {"part": file, "settings", "epochs", "every", "patience", "look": false: only fit; "scores": true: NDCG of every user}
Answers: {"curve"} or {"seconds", "cpuSeconds"} and {"ndcg"}.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.curve import Curve, StopFitError
from benchmarks.peers.ranks import ndcg
from benchmarks.peers.worker import serve, timed

Build = Callable[[dict[str, Any], int], Any]


def answer_with(build: Build) -> None:
    """Serve a model of implicit.

    Args:
        build: (settings, epochs) -> the model.
    """
    from scipy.sparse import csr_matrix

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        part = dict(np.load(request["part"]))
        shape = len(part["indptr"]) - 1, int(part["items"])
        matrix = csr_matrix((np.ones(len(part["indices"]), np.float32), part["indices"], part["indptr"]), shape)
        model = build(request["settings"], request["epochs"])

        def judged() -> Any:
            return ndcg(model.user_factors, model.item_factors, part["indptr"], part["indices"], part["wanted"])

        if not request["look"]:
            _, spent = timed(lambda: model.fit(matrix, show_progress=False))
            return {**spent, "ndcg": judged().tolist() if request["scores"] else None}
        curve = Curve(lambda: float(judged().mean()), request["every"], request["patience"])
        with contextlib.suppress(StopFitError):
            model.fit(matrix, show_progress=False, callback=lambda epoch, *_: curve(epoch + 1))
        return {"curve": curve.points}

    serve(answer)
