"""Exact top-K over the full catalogue: every item scored, seen items left out, ties broken by item row.

Shapes: B requests of a batch, I items, U users, D factors, E width of an MLP embedding, H width of the first layer,
C items of a chunk, K answers.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_api.artifact import FoldIn
from recsys_serving.errors import ArtifactError
from recsys_serving.memory import CHUNK_BYTES
from recsys_serving.seen import SeenLists

Rows = NDArray[np.int32]
Scores = NDArray[np.float32]
_NOTHING = -1
_FLOAT_BYTES = 4
_ITEM_TABLES = ("item_factors", "gmf_item", "mlp_item")
_DOT = {"user_factors", "item_factors", "user_bias", "item_bias", "global_bias"}


class Scorer:
    """A model's tensors on one device, ready to rank.

    The first layer of the MLP is linear in concat(user, item), so its item half is multiplied once here instead of
    once for each request.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], seen: SeenLists, device: torch.device, fold_in: FoldIn | None = None
    ) -> None:
        self._check(weights)
        self._weights = {name: tensor.to(device) for name, tensor in weights.items()}
        self._device, self._seen = device, seen
        table = next(name for name in _ITEM_TABLES if name in weights)
        self.items = int(weights[table].shape[0])
        self.users = int(weights[table.replace("item", "user")].shape[0])
        self._bias_I = self._item_bias()
        self._fold_in = _FoldIn(self._weights["item_factors"], fold_in) if fold_in and table == "item_factors" else None
        if table == "item_factors":
            return
        out_1L = self._weights["out.weight"]
        factors = int(weights["gmf_user"].shape[1]) if "gmf_user" in weights else 0
        self._out_gmf_D, self._out_mlp_L = out_1L[0, :factors], out_1L[0, factors:]
        self._depth = sum(name.startswith("mlp.") and name.endswith(".weight") for name in weights)
        self._item_part_IH = self._item_part() if "mlp_item" in weights else None

    @staticmethod
    def _check(weights: Mapping[str, Tensor]) -> None:
        for name, tensor in weights.items():
            if not bool(torch.isfinite(tensor).all()):
                raise ArtifactError(f"weights.safetensors: tensor {name!r} has non-finite values; train again")
        is_dot = "item_factors" in weights
        if is_dot and ("user_factors" not in weights or not weights.keys() <= _DOT):
            raise ArtifactError(
                f"weights.safetensors has {sorted(weights)}; expected tensors of a dot product: export it again"
            )
        if not is_dot and ("out.weight" not in weights or not {"gmf_item", "mlp_item"} & set(weights)):
            raise ArtifactError(
                f"weights.safetensors has {sorted(weights)}; expected GMF, MLP, NeuMF or dot product tensors"
            )

    def _item_bias(self) -> Tensor | None:
        """What every user's score of an item has beside the product, [I]; the global bias is in it."""
        found = [self._weights[name] for name in ("item_bias", "global_bias") if name in self._weights]
        return sum(found[1:], found[0]).expand(self.items) if found else None

    def _item_part(self) -> Tensor:
        items_IE = self._weights["mlp_item"]
        width = self._weights["mlp_user"].shape[1]
        if not self._depth:
            return (items_IE @ self._out_mlp_L[width:])[:, None]
        return items_IE @ self._weights["mlp.0.weight"][:, width:].T

    @property
    def folds_in(self) -> bool:
        """Whether row -1 is a user whom the items of `extra_seen` describe."""
        return self._fold_in is not None

    @torch.inference_mode()
    def scores(self, rows_B: Rows, extra_seen_BP: Rows | None = None) -> Tensor:
        """Scores [B, I] of every item for the users at rows_B (0 <= row < U; -1 where the model folds in)."""
        rows = torch.from_numpy(rows_B.astype(np.int64)).to(self._device)
        if "item_factors" in self._weights:
            return self._dot(rows, extra_seen_BP)
        scores_BI = self._weights["out.bias"].expand(len(rows_B), self.items)
        if "gmf_item" in self._weights:
            users_BD = self._weights["gmf_user"][rows] * self._out_gmf_D
            scores_BI = scores_BI + users_BD @ self._weights["gmf_item"].T
        if self._item_part_IH is not None:
            scores_BI = scores_BI + self._mlp(rows, self._item_part_IH)
        return scores_BI

    def _dot(self, rows: Tensor, extra_seen_BP: Rows | None) -> Tensor:
        users_BD = self._weights["user_factors"][rows.clamp(min=0)]
        for at in torch.nonzero(rows < 0)[:, 0].tolist():
            assert self._fold_in is not None, "rank_together has looked"
            assert extra_seen_BP is not None, "and there too"
            users_BD[at] = self._fold_in.factors(self._known(extra_seen_BP[at]))
        scores_BI = users_BD @ self._weights["item_factors"].T
        if self._bias_I is not None:
            scores_BI += self._bias_I
        if "user_bias" in self._weights:
            scores_BI += self._weights["user_bias"][rows].unsqueeze(1)
        return scores_BI

    def _known(self, extra_seen_P: Rows) -> Tensor:
        """The distinct item rows of one request."""
        found = np.unique(extra_seen_P[(extra_seen_P >= 0) & (extra_seen_P < self.items)])
        return torch.from_numpy(found.astype(np.int64)).to(self._device)

    def _mlp(self, rows: Tensor, item_part_IH: Tensor) -> Tensor:
        users_BE = self._weights["mlp_user"][rows]
        if not self._depth:
            return (users_BE @ self._out_mlp_L[: users_BE.shape[1]])[:, None] + item_part_IH[:, 0]
        first = self._weights["mlp.0.weight"][:, : users_BE.shape[1]]
        users_BH = users_BE @ first.T + self._weights["mlp.0.bias"]
        batch, hidden = users_BH.shape
        step = max(1, CHUNK_BYTES // (batch * hidden * _FLOAT_BYTES))
        chunks = [self._upper_layers(users_BH, chunk_CH) for chunk_CH in torch.split(item_part_IH, step)]
        return torch.cat(chunks, dim=1)

    def _upper_layers(self, users_BH: Tensor, items_CH: Tensor) -> Tensor:
        hidden = (users_BH[:, None] + items_CH[None]).relu_()
        for layer in range(1, self._depth):
            weight, bias = self._weights[f"mlp.{layer}.weight"], self._weights[f"mlp.{layer}.bias"]
            hidden = torch.nn.functional.linear(hidden, weight, bias).relu_()
        return hidden @ self._out_mlp_L

    @torch.inference_mode()
    def top_k(self, rows_B: Rows, extra_seen_BP: Rows, k: int) -> tuple[Rows, Scores]:
        """Best k unseen items of each user, best first.

        Args:
            rows_B: users' rows.
            extra_seen_BP: item rows to leave out beside the trained history, padded with -1.
            k: answers wanted; never more than I come back.

        Returns:
            item rows [B, K] int32 and logits [B, K] float32; -1 and -inf where a user has fewer unseen items.
        """
        scores_BI = self.scores(rows_B, extra_seen_BP)
        self._leave_out(scores_BI, rows_B, extra_seen_BP)
        return top_k_by_row(scores_BI, min(k, self.items))

    def _leave_out(self, scores_BI: Tensor, rows_B: Rows, extra_seen_BP: Rows) -> None:
        flat = [self._seen.of(int(row)).astype(np.int64) + at * self.items for at, row in enumerate(rows_B) if row >= 0]
        known = (extra_seen_BP >= 0) & (extra_seen_BP < self.items)
        at, _ = np.nonzero(known)
        flat.append(extra_seen_BP[known].astype(np.int64) + at * self.items)
        index = torch.from_numpy(np.concatenate(flat)).to(self._device)
        scores_BI.view(-1).index_fill_(0, index, -torch.inf)


class _FoldIn:
    """Factors of an unknown user from items, by the equation that the artifact names (docs/contracts.md section 3).

    In float64: few items make a system that float32 solves to three digits only.
    """

    def __init__(self, items_ID: Tensor, settings: FoldIn) -> None:
        self._items_ID, self._settings = items_ID, settings
        width = items_ID.shape[1]
        self._gram_DD = torch.zeros(width, width, dtype=torch.float64, device=items_ID.device)
        if settings.unobserved_weight:
            for part in torch.split(items_ID, max(1, CHUNK_BYTES // (8 * width))):
                self._gram_DD.addmm_(part.double().T, part.double(), alpha=settings.unobserved_weight)

    def factors(self, row_N: Tensor) -> Tensor:
        """Factors [D] of a user who had the items at these rows."""
        had_ND, settings = self._items_ID[row_N].double(), self._settings
        sum_D = had_ND.sum(0)
        if settings.kind == "Sum":
            return sum_D.float()
        size = len(row_N) + settings.unobserved_weight * len(self._items_ID)
        matrix_DD = had_ND.T @ had_ND + self._gram_DD
        matrix_DD.diagonal().add_(settings.regularization * size**settings.exponent)
        solved: Tensor = torch.linalg.solve(matrix_DD, sum_D)
        return solved.float()


def top_k_by_row(scores_BI: Tensor, k: int) -> tuple[Rows, Scores]:
    """Exact top k of each line, equal scores in the order of the item rows; -1 where the score is -inf."""
    items = scores_BI.shape[1]
    values, index = torch.topk(scores_BI, min(k + 1, items), dim=1)
    values_BK, rows_BK = values.cpu().numpy(), index.cpu().numpy()
    for b in _cut_ties(values_BK, k):
        # torch.topk keeps an arbitrary part of the items that tie with the last place: look at all of them.
        tied = (scores_BI[b] >= float(values_BK[b, k - 1])).nonzero()[:, 0].cpu().numpy()
        best = tied[np.argsort(-scores_BI[b].cpu().numpy()[tied], kind="stable")[:k]]
        rows_BK[b, :k], values_BK[b, :k] = best, scores_BI[b].cpu().numpy()[best]
    values_BK, rows_BK = values_BK[:, :k], rows_BK[:, :k]
    order = np.lexsort((rows_BK, -values_BK))
    values_BK = np.take_along_axis(values_BK, order, 1).astype(np.float32)
    rows_BK = np.take_along_axis(rows_BK, order, 1).astype(np.int32)
    rows_BK[np.isneginf(values_BK)] = _NOTHING
    return rows_BK, values_BK


def _cut_ties(values_BK: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    if values_BK.shape[1] <= k:
        return np.empty(0, np.intp)
    last, after = values_BK[:, k - 1], values_BK[:, k]
    return np.nonzero((last == after) & np.isfinite(last))[0]
