"""Weights of interactions, from the file into ImplicitALS."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tests.unit.trainer.conftest import Job
from tests.unit.trainer.test_least_squares import ITEMS, USERS, WIDTH, factors, some_positives

from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer import cli
from recsys_trainer.data.ratings import RatingReader
from recsys_trainer.errors import DataError, ManifestError
from recsys_trainer.fit import fit
from recsys_trainer.fitting.ragged import sparse_rows
from recsys_trainer.fitting.solvers import SOLVERS
from recsys_trainer.fitting.sweeps import Penalty, Side
from recsys_trainer.models.implicit_als import FAMILY
from recsys_trainer.training_data import Positives

ALPHA, UNOBSERVED, REGULARIZATION = 2.0, 0.3, 0.05


def model(solver: str = "Cholesky", **settings: Any) -> Model:
    squares = {"solver": solver, "unobservedWeight": UNOBSERVED, "confidenceScale": ALPHA, **settings}
    return Model.model_validate(
        {
            "architecture": "ImplicitALS",
            "embeddingDim": WIDTH,
            "regularization": squares.pop("regularization", REGULARIZATION),
            "leastSquares": squares,
        }
    )


def weights_of(settings: Model, positives: Positives, epochs: int = 400) -> dict[str, torch.Tensor]:
    return fit(settings, Training(epochs=epochs), positives, None, "cpu").weights


def scores(weights: dict[str, torch.Tensor]) -> torch.Tensor:
    return weights["user_factors"] @ weights["item_factors"].T


def confidence_of(positives: Positives) -> torch.Tensor:
    """1 + alpha r of every pair that happened, 0 of the others [U, I]."""
    assert positives.ratings is not None
    dense = torch.zeros(USERS, ITEMS, dtype=torch.float64)
    row = torch.repeat_interleave(torch.arange(USERS), torch.from_numpy(np.diff(positives.indptr)))
    dense[row, torch.from_numpy(positives.indices).long()] = 1 + ALPHA * torch.from_numpy(positives.ratings).double()
    return dense


def solved(confidence: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Every row by its normal equations, in float64: all pairs at UNOBSERVED, those that happened at their confidence too."""
    rows = []
    for weight in confidence:
        size = (weight > 0).sum() + UNOBSERVED * len(columns)
        system = columns.T @ (weight.unsqueeze(1) * columns) + UNOBSERVED * columns.T @ columns
        rows.append(torch.linalg.solve(system + REGULARIZATION * size * torch.eye(WIDTH), columns.T @ weight))
    return torch.stack(rows)


def test_all_solvers_reach_the_fixed_point_of_a_dense_reference() -> None:
    positives = some_positives(ratings=True)
    confidence = confidence_of(positives)
    found = {solver: weights_of(model(solver), positives) for solver in SOLVERS}
    items = found["Cholesky"]["item_factors"].double()
    for _ in range(400):
        users = solved(confidence, items)
        items = solved(confidence.T, users)
    for weights in found.values():
        torch.testing.assert_close(scores(weights).double(), users @ items.T, rtol=1e-4, atol=1e-4)
    unweighted = scores(weights_of(model(confidenceScale=None), positives))
    assert float((unweighted.double() - users @ items.T).abs().max()) > 0.05


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_objective_weighs_every_error(solver: str) -> None:
    positives = some_positives(ratings=True)
    confidence = confidence_of(positives)
    matrix = sparse_rows(positives, None, "cpu", confidence[confidence > 0])
    columns, found = factors(ITEMS, 1), factors(USERS, 2)
    penalty = Penalty(REGULARIZATION, UNOBSERVED, 1.0)
    told = Side(matrix, WIDTH, penalty, SOLVERS[solver]).solve(found, columns)
    products = (found @ columns.T).double()
    ridge = REGULARIZATION * ((confidence > 0).sum(1) + UNOBSERVED * ITEMS)
    expected = (confidence * (1 - products).square()).sum() + UNOBSERVED * products.square().sum()
    expected += (ridge * found.square().sum(1)).sum()
    assert float(told) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_equal_weights_are_the_unweighted_model_with_the_rest_scaled(solver: str) -> None:
    """c (1 - s)^2 + w s^2 + r |x|^2 is c times (1 - s)^2 + w/c s^2 + r/c |x|^2; with exponent 0 no count is in r."""
    positives = some_positives(ratings=True)
    equal = replace(positives, ratings=np.full(len(positives.indices), 1.5, dtype=np.float32))
    weighted = weights_of(model(solver, frequencyExponent=0, regularization=2.0), equal)
    scaled = model(
        solver, frequencyExponent=0, regularization=0.5, unobservedWeight=UNOBSERVED / 4, confidenceScale=None
    )
    torch.testing.assert_close(scores(weighted), scores(weights_of(scaled, positives)), rtol=1e-4, atol=1e-4)


def test_without_the_setting_a_weight_changes_no_bit() -> None:
    with_ratings = some_positives(ratings=True)
    plain = weights_of(model(confidenceScale=None), some_positives(), epochs=3)
    for name, values in weights_of(model(confidenceScale=None), with_ratings, epochs=3).items():
        assert torch.equal(values, plain[name])


def test_an_unknown_users_items_count_as_one() -> None:
    assert FAMILY.fold_in(model()) == FAMILY.fold_in(model(confidenceScale=None))


def test_a_snapshot_that_was_not_prepared_for_weights_is_refused() -> None:
    negative = some_positives(ratings=True)
    assert negative.ratings is not None
    negative.ratings[3] = -1
    with pytest.raises(DataError, match=r"rating: 1 of \d+ training interactions have negative .*confidenceScale"):
        weights_of(model(), negative, epochs=1)
    with pytest.raises(ManifestError, match=r"spec.data.columns.rating: the snapshot has no ratings"):
        weights_of(model(), some_positives(), epochs=1)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_negative_weight_is_named_by_file_and_row(size: int) -> None:
    reader = RatingReader("lines.txt", "plays", weights=True)
    values = pa.array(["3", "0", "-2.5", "1", "-1"])
    for start in range(0, len(values), size):
        reader.read(values[start : start + size])
    with pytest.raises(
        DataError,
        match=r"lines.txt: column plays: 2 of 5 rows hold a negative weight, the first is -2.5 in row 3; write 0 or more, "
        r"or remove model.leastSquares.confidenceScale",
    ):
        reader.finish()


@pytest.fixture
def plays(tmp_path: Path, table: pa.Table) -> Path:
    """The interactions as lines of `user item weight`; a late one is negative."""
    amount = np.arange(len(table)) % 7
    amount[2000] = -1
    lines = zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), amount.tolist(), strict=True)
    (tmp_path / "plays.txt").write_text("".join(f"{user} {item} {weight}\n" for user, item, weight in lines))
    return tmp_path / "plays.txt"


def test_fit_learns_from_lines_with_weights_and_refuses_negative_ones(
    plays: Path, tmp_path: Path, write_manifest: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    changes: dict[str, Any] = {
        "data.source.format": "UserItem",
        "data.columns": {"rating": "plays"},
        "data.split": {"strategy": "Random"},
        "training": {"epochs": 2},
    }

    def fitted(**squares: float) -> int:
        als = {"architecture": "ImplicitALS", "embeddingDim": 8, "leastSquares": squares}
        manifest = write_manifest(f"file://{plays}", **changes, model=als)
        return cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")])

    assert fitted() == 0, "a number that nothing is weighed by may be negative"
    capsys.readouterr()
    assert fitted(confidenceScale=1.0) == 65, "and the snapshot of that is not taken for this"
    assert (
        f"error: file://{plays}: column plays: 1 of 3000 rows hold a negative weight, the first is -1 in row 2001; "
        in (capsys.readouterr().err)
    )
    plays.write_text(plays.read_text().replace(" -1\n", " 1\n"))
    assert fitted(confidenceScale=1.0) == 0


def test_a_job_refuses_weights_without_a_column(job: Job) -> None:
    code, result = job("prepare", model={"architecture": "ImplicitALS", "leastSquares": {"confidenceScale": 1.0}})
    assert code == 64
    assert result.error.startswith("spec.data.columns.rating: data.columns.rating is needed by model.leastSquares.")
