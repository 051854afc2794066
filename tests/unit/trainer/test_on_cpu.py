"""Gradients written by hand are autograd's."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_api.spec.model import Model
from recsys_trainer.models import on_cpu
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.mlp import MLP
from recsys_trainer.models.neumf import NeuMF

USERS, ITEMS = 6, 11


def network(family: type[Recommender], layers: list[int]) -> Recommender:
    torch.manual_seed(0)
    settings = {"architecture": family.__name__, "embeddingDim": 4, "hiddenLayers": layers}
    return family(USERS, ITEMS, Model.model_validate(settings))


def as_the_paper_has_it(net: Recommender, user_B: Tensor, item_BC: Tensor) -> Tensor:
    """Concatenate, multiply, cut off; by autograd."""
    user_BC = user_B.unsqueeze(1).expand_as(item_BC)
    of = {name: values for name, values in net.named_parameters() if name[:4] in ("gmf_", "mlp_")}
    hidden = torch.cat((of["mlp_user"][user_BC], of["mlp_item"][item_BC]), dim=-1)
    for layer in net.mlp:
        hidden = functional.relu(layer(hidden))
    if "gmf_user" in of:
        hidden = torch.cat((of["gmf_user"][user_BC] * of["gmf_item"][item_BC], hidden), dim=-1)
    assert isinstance(net.out, nn.Linear)
    return net.out(hidden).squeeze(-1)


def gradients(net: Recommender, logits_BC: Tensor) -> dict[str, Tensor]:
    net.zero_grad()
    (logits_BC * torch.linspace(-1, 2, logits_BC.numel()).view_as(logits_BC)).sum().backward()
    return {name: values.grad for name, values in net.named_parameters() if values.grad is not None}


@pytest.mark.parametrize("slice_values", [1, 40, 2**18])
@pytest.mark.parametrize(("batch", "columns"), [(2, 3), (5, 3), (9, 5)], ids=["no table", "items'", "both tables"])
@pytest.mark.parametrize("layers", [[8], [8, 6, 4]])
@pytest.mark.parametrize("family", [MLP, NeuMF])
def test_logits_and_gradients_are_autograds(
    monkeypatch: pytest.MonkeyPatch,
    family: type[Recommender],
    layers: list[int],
    batch: int,
    columns: int,
    slice_values: int,
) -> None:
    monkeypatch.setattr(on_cpu, "SLICE_VALUES", slice_values)
    net = network(family, layers)
    user_B, item_BC = torch.randint(USERS, (batch,)), torch.randint(ITEMS, (batch, columns))
    ours, autograd = net(user_B, item_BC), as_the_paper_has_it(net, user_B, item_BC)
    torch.testing.assert_close(ours, autograd)
    found, wanted = gradients(net, ours), gradients(net, autograd)
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        torch.testing.assert_close(found[name], values, msg=lambda said, name=name: f"{name}: {said}")


def test_the_same_batch_gives_the_same_bits() -> None:
    net, user_B, item_BC = network(NeuMF, [8, 4]), torch.randint(USERS, (64,)), torch.randint(ITEMS, (64, 5))
    first, second = (gradients(net, net(user_B, item_BC)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("index", [[0, 1, 2], [1, 0, 2], [0, 1], [0, 1, 2, 2], [[0, 1, 2]]])
def test_rows_are_copied_but_where_they_are_the_whole_table_in_order(index: list[int]) -> None:
    table, places = nn.Parameter(torch.arange(6.0).view(3, 2)), torch.tensor(index)
    found = on_cpu.rows(table, places)
    assert (found is table) == (index == [0, 1, 2])
    torch.testing.assert_close(found.detach(), table.detach()[places])
    found.square().sum().backward()
    gradient = table.grad
    table.grad = None
    table[places].square().sum().backward()
    assert gradient is not None
    torch.testing.assert_close(gradient, table.grad)
