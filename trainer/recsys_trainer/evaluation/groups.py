"""Quality by user group and exposure by item group, where the manifest names the columns."""

import numpy as np
import numpy.typing as npt

from recsys_api.report import ExposureShare, UserGroups
from recsys_trainer.data.interactions import Groups
from recsys_trainer.evaluation.bootstrap import MIN_USERS, RESAMPLES, resampled_means, with_intervals

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
SHOWN = ("ndcg@10", "recall@20", "hr@10")
K = 10
UNKNOWN = "(none)"


def by_user_group(groups: Groups, user_N: npt.NDArray[np.int64], values: dict[str, Floats], seed: int) -> UserGroups:
    """Metrics of every group that was asked, and the distance between the best and the worst of those large enough.

    Args:
        user_N: snapshot rows of the users, in the order of `values`.
    """
    names, code = _by_name(groups)
    of = code[groups.of[user_N]]
    found = {names[at]: {name: values[name][of == at] for name in SHOWN} for at in np.unique(of).tolist()}
    tables = {name: np.column_stack(list(each.values())) for name, each in found.items()}
    counted = [values_NM for values_NM in tables.values() if len(values_NM) >= MIN_USERS]
    gaps, by_chance = _gaps(counted, seed) if len(counted) > 1 else ({}, {})
    return UserGroups(
        metrics={name: with_intervals(each, seed) for name, each in found.items()},
        minimum_users=MIN_USERS,
        too_small=tuple(name for name, values_NM in tables.items() if len(values_NM) < MIN_USERS),
        gaps=gaps,
        gaps_by_chance=by_chance,
    )


def _gaps(tables: list[Floats], seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """(distance between the best and the worst group, what it is below in 95 % of draws of groups with equal means).

    An interval of the distance would not do: it is never below 0, and the more groups there are, the larger it is by chance.
    """
    gap_M = np.ptp([values_NM.mean(axis=0) for values_NM in tables], axis=0)
    high_RM = np.full((RESAMPLES, len(SHOWN)), -np.inf)
    low_RM = -high_RM
    for at, values_NM in enumerate(tables, 1):
        noise_RM = resampled_means(values_NM, seed + at) - values_NM.mean(axis=0)  # groups are drawn apart
        high_RM, low_RM = np.maximum(high_RM, noise_RM), np.minimum(low_RM, noise_RM)
    chance_M = np.percentile(high_RM - low_RM, 95, axis=0)
    return dict(zip(SHOWN, gap_M.tolist(), strict=True)), dict(zip(SHOWN, chance_M.tolist(), strict=True))


def by_item_group(groups: Groups, item_I: Rows, top_NL: Rows, indices: Rows) -> dict[str, ExposureShare]:
    """What each group has of the lists, of the training interactions and of the catalogue.

    Args:
        item_I: snapshot row of every artifact item.
        top_NL: lists in artifact rows, -1 behind their end.
        indices: artifact items of the training interactions.
    """
    names, code = _by_name(groups)
    of, top_NK = code[groups.of[item_I]], top_NL[:, :K]
    discount = np.broadcast_to(1 / np.log2(np.arange(2, top_NK.shape[1] + 2)), top_NK.shape)
    there = top_NK >= 0
    shown = of[top_NK[there]]
    shares = {
        "lists": _share(shown, np.ones(len(shown)), len(names)),
        "exposure": _share(shown, discount[there], len(names)),
        "training": _share(of[indices], np.ones(len(indices)), len(names)),
        "catalogue": _share(of, np.ones(len(of)), len(names)),
    }
    found = {
        name: ExposureShare(**{kind: float(share[at]) for kind, share in shares.items()})
        for at, name in enumerate(names)
    }
    return {name: share for name, share in found.items() if share.catalogue > 0}


def _by_name(groups: Groups) -> tuple[list[str], npt.NDArray[np.int64]]:
    """(names, ascending, the position in them of each of `groups.names`, and last of those without a group).

    Data may have a group of the name that stands for none: they are one group then.
    """
    names, code = np.unique(np.array((*groups.names, UNKNOWN), dtype=object), return_inverse=True)
    return names.tolist(), code


def _share(codes: npt.NDArray[np.integer], weight: Floats, size: int) -> Floats:
    total = np.bincount(codes, weights=weight, minlength=size)
    return np.asarray(total / max(1e-300, float(total.sum())))
