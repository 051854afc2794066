"""Solvers, sweeps and decompositions against their definitions on dense matrices."""

import numpy as np
import pytest
import torch

from recsys_api.spec.model import LeastSquares, Model, Probabilistic
from recsys_api.spec.training import Training
from recsys_trainer.errors import DivergedError
from recsys_trainer.fit import fit
from recsys_trainer.fitting import alternating, ragged, solvers
from recsys_trainer.fitting.alternating import Ahead, add_singular_vectors
from recsys_trainer.fitting.ragged import SparseRows, ragged_batches, sparse_rows
from recsys_trainer.fitting.solvers import SOLVERS
from recsys_trainer.fitting.spectral import right_vectors
from recsys_trainer.fitting.sweeps import Penalty, Side
from recsys_trainer.models import implicit_als
from recsys_trainer.models.nmf import objective, raise_factors
from recsys_trainer.models.probabilistic_mf import score_variance
from recsys_trainer.training_data import Positives

USERS, ITEMS, WIDTH = 50, 30, 6


def some_positives(*, ratings: bool = False, density: float = 0.3, seed: int = 0) -> Positives:
    random = np.random.default_rng(seed)
    dense = random.random((USERS, ITEMS)) < density * random.random((USERS, 1)) * 2
    dense[np.arange(USERS), np.arange(USERS) % ITEMS] = True
    indptr = np.concatenate(([0], np.cumsum(dense.sum(1)))).astype(np.int64)
    indices = np.nonzero(dense)[1].astype(np.int32)
    values = random.integers(1, 6, len(indices)).astype(np.float32) if ratings else None
    return Positives(np.arange(USERS, dtype=np.int32), np.arange(ITEMS, dtype=np.int32), indptr, indices, 0, values)


def dense_of(matrix: SparseRows) -> torch.Tensor:
    row = torch.repeat_interleave(torch.arange(matrix.rows), matrix.degree)
    result = torch.zeros(matrix.rows, matrix.columns)
    result[row, matrix.indices] = matrix.values
    return result


def factors(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_products_and_the_transpose_are_those_of_the_dense_matrix() -> None:
    matrix = sparse_rows(some_positives(), torch.rand(len(some_positives().indices)), "cpu")
    dense = dense_of(matrix)
    torch.testing.assert_close(matrix @ factors(ITEMS, 1), dense @ factors(ITEMS, 1))
    torch.testing.assert_close(dense_of(matrix.transposed()), dense.T)


def test_batches_hold_every_entry_once_and_little_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ragged.BATCH_BYTES, "cpu", 4 * WIDTH * 100)
    matrix = sparse_rows(some_positives(), None, "cpu")
    found = torch.zeros(USERS, ITEMS + 1)
    batches = ragged_batches(matrix, WIDTH)
    for batch in batches:
        found.index_put_((batch.row_B.unsqueeze(1), batch.column_BL.long()), batch.value_BL, accumulate=True)
    torch.testing.assert_close(found[:, :ITEMS], dense_of(matrix))
    assert len(batches) > 1
    assert all(batch.column_BL.numel() <= 100 or len(batch.row_B) == 1 for batch in batches)


def naive_rows(matrix: SparseRows, columns: torch.Tensor, penalty: Penalty) -> torch.Tensor:
    """Every row by its normal equations, one after the other, in float64."""
    dense, columns = dense_of(matrix).double(), columns.double()
    rows = []
    for values, entries in zip(dense, dense != 0, strict=True):
        own = columns[entries]
        size = entries.sum() + penalty.unobserved * len(columns)
        ridge = penalty.weight * size**penalty.exponent * torch.eye(columns.shape[1])
        system = own.T @ own + penalty.unobserved * columns.T @ columns + ridge
        rows.append(torch.linalg.solve(system, own.T @ values[entries]))
    return torch.stack(rows).float()


PENALTIES = [Penalty(0.05, 0.3, 1.0), Penalty(0.5, 0.1, 0.5), Penalty(0.7)]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_solver_comes_to_the_normal_equations_answer(
    solver: str, penalty: Penalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solvers, "BLOCK", 4)  # two blocks, the second one narrower
    draws = torch.rand(len(some_positives().indices), generator=torch.Generator().manual_seed(3))
    matrix = sparse_rows(some_positives(), 1 + draws, "cpu")
    columns, found = factors(ITEMS, 1), factors(USERS, 2)
    side = Side(matrix, WIDTH, penalty, SOLVERS[solver])
    objectives = [float(side.solve(found, columns)) for _ in range(1 if solver == "Cholesky" else 200)]
    torch.testing.assert_close(found, naive_rows(matrix, columns, penalty), rtol=1e-4, atol=1e-4)
    assert objectives[-1] <= objectives[0] * (1 + 1e-5)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_objective_is_what_it_says(solver: str) -> None:
    penalty = Penalty(0.05, 0.3, 1.0)
    matrix = sparse_rows(some_positives(), None, "cpu")
    columns, found = factors(ITEMS, 1), factors(USERS, 2)
    told = Side(matrix, WIDTH, penalty, SOLVERS[solver]).solve(found, columns)
    scores, dense = found @ columns.T, dense_of(matrix)
    ridge = penalty.weight * (dense.sum(1) + penalty.unobserved * ITEMS)
    expected = (
        (dense * (1 - scores).square()).sum() + 0.3 * scores.square().sum() + (ridge * found.square().sum(1)).sum()
    )
    assert float(told) == pytest.approx(float(expected), rel=1e-4)


def test_all_solvers_reach_the_same_fixed_point() -> None:
    positives = some_positives()
    scores = {}
    for solver in SOLVERS:
        settings = LeastSquares.model_validate({"solver": solver, "unobservedWeight": 0.3})
        model = Model(architecture="ImplicitALS", embedding_dim=WIDTH, regularization=0.05, least_squares=settings)
        weights = fit(model, Training(epochs=400), positives, None, "cpu").weights
        scores[solver] = weights["user_factors"] @ weights["item_factors"].T
    for found in scores.values():
        torch.testing.assert_close(found, scores["Cholesky"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wanted", [1, 5, 30, 200])
def test_right_vectors_are_those_of_the_singular_value_decomposition(wanted: int) -> None:
    matrix = sparse_rows(some_positives(), None, "cpu")
    torch.manual_seed(0)
    found, values = right_vectors(matrix, matrix.transposed(), wanted, oversample=16, iterations=12)
    kept = min(wanted, ITEMS)
    _, singular, right = torch.linalg.svd(dense_of(matrix), full_matrices=False)
    assert found.shape == (ITEMS, kept)
    torch.testing.assert_close(found @ found.T, right[:kept].T @ right[:kept], rtol=1e-3, atol=2e-3)
    torch.testing.assert_close(values, singular[:kept], rtol=1e-3, atol=1e-3)
    assert float(values.square().sum()) == pytest.approx(float(singular[:kept].square().sum()), rel=1e-4)


@pytest.mark.parametrize("wanted", [5, 200])
def test_a_spectral_start_is_the_best_approximation(wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternating, "START_ITERATIONS", 60)
    matrix = sparse_rows(some_positives(), None, "cpu")
    user, item = torch.zeros(USERS, wanted), torch.zeros(ITEMS, wanted)
    torch.manual_seed(0)
    add_singular_vectors(matrix, matrix.transposed(), user, item)
    kept = min(wanted, ITEMS)
    left, singular, right = torch.linalg.svd(dense_of(matrix), full_matrices=False)
    torch.testing.assert_close(user @ item.T, (left * singular)[:, :kept] @ right[:kept], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(user.square().sum(0), item.square().sum(0), rtol=1e-3, atol=1e-3)


def test_a_spectral_start_of_a_matrix_of_lower_rank_is_finite() -> None:
    matrix = SparseRows.of_ones(torch.arange(0, 4 * 3 + 1, 3), torch.arange(3).repeat(4), 3)  # rank 1
    user, item = torch.zeros(4, 3), torch.zeros(3, 3)
    add_singular_vectors(matrix, matrix.transposed(), user, item)
    torch.testing.assert_close(user @ item.T, torch.ones(4, 3))


def test_start_and_momentum_save_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    def sweeps_to(goal: float | None, **plain: object) -> tuple[int, float]:
        for name, value in plain.items():
            monkeypatch.setattr(implicit_als, name, value)
        model = Model(architecture="ImplicitALS", embedding_dim=WIDTH, regularization=0.002)
        history = fit(model, Training(epochs=60), some_positives(), None, "cpu").history
        losses = [each["loss"] for each in history]
        return next((at for at, loss in enumerate(losses, 1) if goal is None or loss <= goal), 99), losses[-1]

    _, lowest = sweeps_to(None)
    goal = lowest * 1.001
    ours, _ = sweeps_to(goal)
    without, _ = sweeps_to(goal, SPECTRAL=False, MOMENTUM=0.0)
    assert ours < 0.7 * without < 70


def test_after_a_sweep_that_raised_the_objective_the_next_one_starts_where_it_ended() -> None:
    factors = torch.zeros(2)
    ahead, starts = Ahead(factors, 0.5), []
    for end, reached in ((1.0, 9.0), (2.0, 8.0), (3.0, 8.5), (4.0, 7.0), (5.0, 6.0)):
        ahead.move()
        starts.append(float(factors[0]))
        factors.fill_(end)
        ahead.look(torch.tensor(reached))
    assert starts == [0.0, 1.5, 2.5, 3.0, 4.5]


def test_non_negative_sweeps_only_lower_the_objective_and_stay_non_negative() -> None:
    users = sparse_rows(some_positives(), None, "cpu")
    items, penalty = users.transposed(), 0.1
    own, other = factors(USERS, 1).abs(), factors(ITEMS, 2).abs()
    told = []
    for _ in range(20):
        raise_factors(own, users, other, penalty)
        product = raise_factors(other, items, own, penalty)
        told.append(float(objective(users, own, other, product, penalty)))
    dense = (dense_of(users) - own @ other.T).square().sum() + penalty * (own.square().sum() + other.square().sum())
    assert told[-1] == pytest.approx(float(dense), rel=1e-4)
    assert told == sorted(told, reverse=True)
    assert min(float(own.min()), float(other.min())) >= 0


def test_the_gaussian_mode_has_no_gradient() -> None:
    positives, sigmas = some_positives(ratings=True), Probabilistic(sigma=0.8, sigma_user=0.5, sigma_item=0.4)
    model = Model(architecture="ProbabilisticMF", embedding_dim=WIDTH, probabilistic=sigmas)
    weights = fit(model, Training(epochs=300), positives, None, "cpu").weights
    user, item = (weights[name].double().requires_grad_() for name in ("user_factors", "item_factors"))
    row = torch.repeat_interleave(torch.arange(USERS), torch.from_numpy(positives.indptr).diff())
    predicted = (user[row] * item[torch.from_numpy(positives.indices).long()]).sum(1) + weights["global_bias"].double()
    assert positives.ratings is not None
    energy = (torch.from_numpy(positives.ratings) - predicted).square().sum() / (2 * 0.8**2)
    energy = energy + user.square().sum() / (2 * 0.5**2) + item.square().sum() / (2 * 0.4**2)
    energy.backward()  # type: ignore[no-untyped-call]
    assert user.grad is not None
    assert float(user.grad.abs().max()) < 1e-2


def test_the_variance_of_a_score_is_that_of_draws_from_its_posterior() -> None:
    positives, sigmas = some_positives(ratings=True), Probabilistic(sigma=0.8, sigma_user=0.5, sigma_item=0.4)
    weights = {"user_factors": factors(USERS, 1), "item_factors": factors(ITEMS, 2)}
    found = score_variance(weights, positives, sigmas, torch.tensor([3, 7, 3]), torch.tensor([5, 2, 9]))
    dense = dense_of(sparse_rows(positives, None, "cpu")) > 0
    generator = torch.Generator().manual_seed(0)
    for at, (user, item) in enumerate(((3, 5), (7, 2), (3, 9))):
        draws = [
            torch.linalg.cholesky(torch.linalg.inv(own.T @ own / 0.8**2 + torch.eye(WIDTH) / prior**2))
            @ torch.randn(WIDTH, 200_000, generator=generator)
            + mean.unsqueeze(1)
            for own, prior, mean in (
                (weights["item_factors"][dense[user]], 0.5, weights["user_factors"][user]),
                (weights["user_factors"][dense[:, item]], 0.4, weights["item_factors"][item]),
            )
        ]
        assert float((draws[0] * draws[1]).sum(0).var()) == pytest.approx(float(found[at]), rel=0.02)


def test_more_ratings_make_a_score_surer() -> None:
    few, many = some_positives(ratings=True, density=0.05), some_positives(ratings=True, density=0.9)
    weights = {"user_factors": factors(USERS, 1), "item_factors": factors(ITEMS, 2)}
    users, items = torch.arange(USERS), torch.arange(USERS) % ITEMS
    unsure, sure = (score_variance(weights, each, Probabilistic(), users, items) for each in (few, many))
    assert (sure < unsure).all()


@pytest.mark.parametrize(
    ("family", "settings", "advice"),
    [
        ("ExplicitALS", {"regularization": 1e-30}, "raise model.regularization, or lower embeddingDim"),
        (
            "ProbabilisticMF",
            {"probabilistic": {"sigmaUser": 1e-30}},
            "bring the sigmas of model.probabilistic nearer to each other, or lower embeddingDim",
        ),
    ],
)
def test_an_objective_that_is_no_number_ends_with_advice_that_the_family_takes(
    family: str, settings: dict[str, object], advice: str
) -> None:
    model = Model.model_validate({"architecture": family, "embeddingDim": 64, **settings})
    with pytest.raises(DivergedError, match=f"the loss of epoch 1 is nan; {advice}"):
        fit(model, Training(), some_positives(ratings=True), None, "cpu")
