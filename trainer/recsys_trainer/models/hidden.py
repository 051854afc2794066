"""The hidden layers of MLP and NeuMF, which take a user once for many items.

Shapes: B users, C items for each of them, E embedding width, H width of a layer.
"""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_trainer.models.base import Shape
from recsys_trainer.models.blocks import Layer, block_logits, in_blocks
from recsys_trainer.models.on_cpu import HiddenLayers, by_hand, rows
from recsys_trainer.models.reads import Reads

Rows = tuple[Tensor, Tensor]
"""(table, row numbers)."""
NORMS = "mlp_norm."
"""Prefix of the batch norms' tensors: they live in training alone, the export folds them into the layers."""


def mlp_embedding_width(model: Shape) -> int:
    """Of each user and item in the MLP."""
    return model.mlp_embedding_dim or model.embedding_dim


def hidden_layers(model: Shape) -> nn.ModuleList:
    """The layers between concat(user, item) and the output."""
    widths = (2 * mlp_embedding_width(model), *model.hidden_layers)
    return nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))


def batch_norms(model: Shape) -> nn.ModuleList:
    """One for each hidden layer, or none."""
    return nn.ModuleList(nn.BatchNorm1d(width) for width in (model.hidden_layers if model.batch_norm else ()))


def mlp_width(model: Shape) -> int:
    """Width of what the hidden layers give to the output."""
    return model.hidden_layers[-1] if model.hidden_layers else 2 * mlp_embedding_width(model)


def mlp_logits(
    layers: nn.ModuleList,
    norms: nn.ModuleList,
    weight_H: Tensor,
    users: Rows,
    items: Rows,
    dropout: float,
    training: bool,
    reads: Reads | None = None,
) -> Tensor:
    """The MLP's part of the logit, [B, C].

    The first layer is split, W[u;i] = Wu u + Wi i, so that a user is multiplied once and not once for each item.

    Args:
        norms: normalize before each ReLU; may be empty.
        weight_H: the output's weights for the last hidden layer.
        users: table and rows [B].
        items: table and rows, [C] or [B, C].
        reads: of items [B, C], where they are sorted already.
    """
    plain = len(layers) and not len(norms) and not (dropout and training)
    if plain and items[1].dim() == 2 and by_hand(items[0]):
        return _by_hand(users, items[0], reads or Reads.of(items[1], len(items[0])), weight_H, layers)
    user_BE, item = rows(*users), rows(*items)
    if not len(layers):
        width = user_BE.shape[1]
        return (user_BE @ weight_H[:width]).unsqueeze(1) + item @ weight_H[width:]
    if items[1].dim() == 1 and not training and in_blocks(item):
        folded = folded_layers(layers, norms)
        return block_logits(*_first_layer(user_BE, item, folded[0]), folded[1:], weight_H)
    first, *rest = cast("list[nn.Linear]", list(layers))
    of_users, of_items = _first_layer(user_BE, item, (first.weight, first.bias))
    values = of_users.unsqueeze(1) + of_items
    in_place = not torch.is_grad_enabled()  # scoring needs no second copy of a layer's values
    hidden = functional.relu(_normalized(norms, 0, values), in_place)
    for number, layer in enumerate(rest, 1):
        values = layer(functional.dropout(hidden, dropout, training))
        hidden = functional.relu(_normalized(norms, number, values), in_place)
    return functional.dropout(hidden, dropout, training) @ weight_H


def _by_hand(users: Rows, item_RE: Tensor, items: Reads, weight_H: Tensor, layers: nn.ModuleList) -> Tensor:
    parameters = [values for layer in cast("list[nn.Linear]", list(layers)) for values in (layer.weight, layer.bias)]
    logits: Tensor = HiddenLayers.apply(  # type: ignore[no-untyped-call]
        users[0], item_RE, users[1], items, weight_H, *parameters
    )
    return logits


def _first_layer(user_BE: Tensor, item: Tensor, first: Layer) -> tuple[Tensor, Tensor]:
    """What the first layer makes of users, with its bias, and of items."""
    weight, bias = first
    width = user_BE.shape[1]
    return functional.linear(user_BE, weight[:, :width], bias), functional.linear(item, weight[:, width:])


def folded_layers(layers: nn.ModuleList, norms: nn.ModuleList) -> list[Layer]:
    """Weights and biases that give the same without batch norms."""
    prefixes = (("mlp.", layers), (NORMS, norms))
    tensors = fold_norms({prefix + name: each for prefix, of in prefixes for name, each in of.state_dict().items()})
    return [(tensors[f"mlp.{number}.weight"], tensors[f"mlp.{number}.bias"]) for number in range(len(layers))]


def _normalized(norms: nn.ModuleList, number: int, values_BCH: Tensor) -> Tensor:
    """Batch norm over users and items; a single pair has no variance and takes the running one."""
    if not len(norms):  # torch 2.11 cannot compile `not` of a ModuleList
        return values_BCH
    norm, flat = cast(nn.BatchNorm1d, norms[number]), values_BCH.flatten(0, 1)
    if norm.training and len(flat) > 1:
        return cast(Tensor, norm(flat)).view_as(values_BCH)
    normalized = functional.batch_norm(flat, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return normalized.view_as(values_BCH)


def fold_norms(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same function without batch norms: y = g (Wx + b - m) / s + c is (g/s) W x + (g/s) (b - m) + c."""
    folded = {name: values for name, values in tensors.items() if not name.startswith(NORMS)}
    for name in [name for name in tensors if name.startswith(NORMS) and name.endswith(".running_var")]:
        number = name.removeprefix(NORMS).split(".")[0]
        norm = {part: tensors[f"{NORMS}{number}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / torch.sqrt(norm["running_var"] + _EPS)
        bias = f"mlp.{number}.bias"
        folded[f"mlp.{number}.weight"] = tensors[f"mlp.{number}.weight"] * scale.unsqueeze(1)
        folded[bias] = (tensors[bias] - norm["running_mean"]) * scale + norm["bias"]
    return folded


_EPS = nn.BatchNorm1d(1).eps
