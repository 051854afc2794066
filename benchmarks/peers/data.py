"""What both sides train on: MovieLens as arrays in one file. The data itself may not be redistributed and is never in the project."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.held_out import Ints, csr, held_out

Arrays = dict[str, npt.NDArray[np.integer]]
"""indptr [U + 1], indices [nnz]: what trains; wanted [U]: the item that judges, or -1; items: their number."""


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
    keep, wanted = (np.ones(len(user), dtype=np.bool_), test) if part == "test" else held_out(user, item, len(test))
    indptr, indices = csr(user[keep], item[keep], len(test))
    return {"indptr": indptr, "indices": indices, "items": np.array(items), "wanted": wanted}
