"""Quality by user group and exposure by item group, where the manifest names the columns."""

import numpy as np
import numpy.typing as npt

from recsys_api.report import ExposureShare, UserGroups
from recsys_trainer.data.interactions import Groups
from recsys_trainer.evaluation.bootstrap import with_intervals

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
SHOWN = ("ndcg@10", "recall@20", "hr@10")
K = 10
UNKNOWN = "(none)"


def by_user_group(groups: Groups, user_N: npt.NDArray[np.int64], values: dict[str, Floats], seed: int) -> UserGroups:
    """Metrics of every group that was asked, and the distance between the best and the worst.

    Args:
        user_N: snapshot rows of the users, in the order of `values`.
    """
    of = groups.of[user_N]
    names = {-1: UNKNOWN, **dict(enumerate(groups.names))}
    metrics = {
        names[code]: with_intervals({name: values[name][of == code] for name in SHOWN}, seed)
        for code in sorted({*of.tolist()}, key=lambda code: names[code])
    }
    gaps = {}
    for name in SHOWN if metrics else ():
        means = [block[name].value for block in metrics.values()]
        gaps[name] = max(means) - min(means)
    return UserGroups(metrics=metrics, gaps=gaps)


def by_item_group(groups: Groups, item_I: Rows, top_NL: Rows, indices: Rows) -> dict[str, ExposureShare]:
    """What each group has of the lists, of the training interactions and of the catalogue.

    Args:
        item_I: snapshot row of every artifact item.
        top_NL: lists in artifact rows, -1 behind their end.
        indices: artifact items of the training interactions.
    """
    of, top_NK = groups.of[item_I], top_NL[:, :K]
    names = (UNKNOWN, *groups.names)
    discount = np.broadcast_to(1 / np.log2(np.arange(2, top_NK.shape[1] + 2)), top_NK.shape)
    there = top_NK >= 0
    shown = of[top_NK[there]] + 1
    shares = {
        "lists": _share(shown, np.ones(len(shown)), len(names)),
        "exposure": _share(shown, discount[there], len(names)),
        "training": _share(of[indices] + 1, np.ones(len(indices)), len(names)),
        "catalogue": _share(of + 1, np.ones(len(of)), len(names)),
    }
    found = {
        name: ExposureShare(**{kind: float(share[at]) for kind, share in shares.items()})
        for at, name in enumerate(names)
    }
    return {name: share for name, share in found.items() if share.catalogue > 0}


def _share(codes: npt.NDArray[np.integer], weight: Floats, size: int) -> Floats:
    total = np.bincount(codes, weights=weight, minlength=size)
    return np.asarray(total / max(1e-300, float(total.sum())))
