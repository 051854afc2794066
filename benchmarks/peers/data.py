"""What both sides train on: MovieLens as arrays in one file. The data itself may not be redistributed and is never in the project."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[np.integer]]
"""indptr [U + 1], indices [nnz]: what trains; wanted [U]: the item that judges, or -1; items: their number."""
VALIDATION_SEED = 1


class DataFileError(Exception):
    """A data file is not there."""


def needed(folder: Path, name: str) -> Path:
    """A file of the data folder.

    Raises:
        DataFileError: saying what to give.
    """
    if not (folder / name).exists():
        raise DataFileError(f"--data {folder}: there is no {name}; give the folder that holds ml-100k and ml-1m")
    return folder / name


def ml_100k(folder: Path) -> tuple[Ints, Ints]:
    """(users, items) of the 100,000 ratings, from 0."""
    path = needed(folder, "ml-100k/ml-100k.inter")
    pairs = np.loadtxt(path, skiprows=1, usecols=(0, 1), dtype=np.int64) - 1
    return pairs[:, 0], pairs[:, 1]


def ml_1m(folder: Path, part: str) -> Arrays:
    """The NCF paper's split of ML-1M.

    Args:
        part: "validation": one random training item of each user judges and does not train; "test": the paper's.
    """
    data = np.load(needed(folder, "ml-1m/ncf_ml1m.npz"))
    user, item, test = (data[name].astype(np.int64) for name in ("train_user", "train_item", "test_item"))
    items = len(data["item_to_movieid"])
    if part == "test":
        return csr(user, item, len(test), items) | {"wanted": test}
    keep, wanted = held_out(user, item, len(test))
    return csr(user[keep], item[keep], len(test), items) | {"wanted": wanted}


def held_out(user: Ints, item: Ints, users: int) -> tuple[npt.NDArray[np.bool_], Ints]:
    """(what still trains, the item taken from each user who has more than one, else -1)."""
    order = np.random.default_rng(VALIDATION_SEED).permutation(len(user))
    found, first = np.unique(user[order], return_index=True)
    enough = np.bincount(user, minlength=users)[found] > 1
    chosen = order[first[enough]]
    keep, wanted = np.ones(len(user), dtype=np.bool_), np.full(users, -1, dtype=np.int64)
    keep[chosen], wanted[user[chosen]] = False, item[chosen]
    return keep, wanted


def csr(user: Ints, item: Ints, users: int, items: int) -> Arrays:
    """Rows of users, items ascending."""
    order = np.lexsort((item, user))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=users)))).astype(np.int64)
    return {"indptr": indptr, "indices": item[order].astype(np.int32), "items": np.array(items)}
