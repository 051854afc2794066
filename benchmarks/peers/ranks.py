"""Full ranking of one wanted item of each user by a dot product; numpy only, so that both sides are judged by the same lines."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
CHUNK = 512
TOP = 10


def ndcg(
    user_UD: Floats,
    item_ID: Floats,
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    wanted_U: npt.NDArray[np.int64],
) -> Floats:
    """NDCG@10 of every user who has a wanted item, in their order; training items are left out, ties count as above."""
    parts = []
    for start in range(0, len(user_UD), CHUNK):
        end = min(start + CHUNK, len(user_UD))
        scores_BI = user_UD[start:end] @ item_ID.T
        row = np.repeat(np.arange(end - start), np.diff(indptr[start : end + 1]))
        scores_BI[row, indices[indptr[start] : indptr[end]]] = -np.inf
        asked = np.flatnonzero(wanted_U[start:end] >= 0)
        wanted = wanted_U[start:end][asked]
        of_wanted = scores_BI[asked, wanted]
        above = (scores_BI[asked] >= of_wanted[:, None]).sum(axis=1) - 1
        parts.append(np.where(above < TOP, 1 / np.log2(above + 2.0), 0.0))
    return np.concatenate(parts)
