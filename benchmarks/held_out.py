"""Interactions as arrays, and the validation part that every search on ML-1M uses."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
VALIDATION_SEED = 1


def held_out(user: Ints, item: Ints, users: int) -> tuple[npt.NDArray[np.bool_], Ints]:
    """(what still trains, the item taken from each user who has more than one, else -1)."""
    order = np.random.default_rng(VALIDATION_SEED).permutation(len(user))
    found, first = np.unique(user[order], return_index=True)
    enough = np.bincount(user, minlength=users)[found] > 1
    chosen = order[first[enough]]
    keep, wanted = np.ones(len(user), dtype=np.bool_), np.full(users, -1, dtype=np.int64)
    keep[chosen], wanted[user[chosen]] = False, item[chosen]
    return keep, wanted


def csr(user: Ints, item: Ints, users: int) -> tuple[Ints, npt.NDArray[np.int32]]:
    """(indptr [U + 1], indices [nnz]): rows of users, items ascending."""
    order = np.lexsort((item, user))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=users)))).astype(np.int64)
    return indptr, item[order].astype(np.int32)
