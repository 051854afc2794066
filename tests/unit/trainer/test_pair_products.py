"""Products of users with items of their own are those of copied rows, and so are their derivatives."""

import pytest
import torch
from torch import Tensor

from recsys_trainer.models.on_cpu import rows
from recsys_trainer.models.pair_products import pair_products

SHAPES = [(1, 1, 1), (7, 5, 3), (4, 1, 9), (3, 40, 2)]


def copied(user_BD: Tensor, item_RD: Tensor, place_BC: Tensor) -> Tensor:
    return (user_BD.unsqueeze(1) * item_RD[place_BC]).sum(2)


@pytest.mark.parametrize(("users", "columns", "rows"), SHAPES)
def test_products_and_derivatives_are_those_of_copied_rows(users: int, columns: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(1)
    place_BC = torch.randint(rows, (users, columns), generator=generator)
    weight_BC = torch.randn(users, columns, generator=generator)
    found = []
    for way in (copied, pair_products):
        generator.manual_seed(2)
        user_BD, item_RD = (torch.randn(size, 6, generator=generator, requires_grad=True) for size in (users, rows))
        product_BC = way(user_BD, item_RD, place_BC)
        (product_BC * weight_BC).sum().backward()  # type: ignore[no-untyped-call]
        found.append((product_BC.detach(), user_BD.grad, item_RD.grad))
    for expected, actual in zip(*found, strict=True):
        torch.testing.assert_close(actual, expected)


def test_views_of_tables_are_taken_as_they_are() -> None:
    both = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    user_BD, item_RD, place_BC = both[:3, :6], both[:, 6:], torch.tensor([[0, 4], [1, 1], [3, 2]])
    torch.testing.assert_close(pair_products(user_BD, item_RD, place_BC), copied(user_BD, item_RD, place_BC))


def test_values_of_a_vector_and_their_derivative() -> None:
    index, weight = torch.tensor([[2, 0], [2, 2]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    plain, own = (torch.tensor([0.5, 1.5, 2.5], requires_grad=True) for _ in range(2))
    (plain[index] * weight).sum().backward()  # type: ignore[no-untyped-call]
    (rows(own, index) * weight).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(rows(own, index).detach(), own.detach()[index])
    torch.testing.assert_close(own.grad, plain.grad)
