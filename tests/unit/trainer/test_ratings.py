"""The rating column, from the file into the snapshot."""

import decimal
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recsys_trainer.data.ratings import RatingReader
from recsys_trainer.errors import DataError


def read(values: pa.Array) -> tuple[Any, Any]:
    reader = RatingReader("f", "r")
    reader.refuse_type(values.type, len(values))
    found = reader.read(values)
    reader.finish()
    return found


@pytest.mark.parametrize(
    "values",
    [
        pa.array([5, 0, -1], pa.int8()),
        pa.array([5.0, 0.0, -1.0], pa.float16()),
        pa.array(["5", " 0.0 ", "-1e0"]),
        pa.array(["5", "0", "-1"]).dictionary_encode(),
        pa.array([decimal.Decimal("5.0"), decimal.Decimal("0.0"), decimal.Decimal("-1.0")]),
    ],
    ids=lambda values: str(values.type)[:12],
)
def test_numbers_and_their_text_are_ratings(values: pa.Array) -> None:
    ratings, missing = read(values)
    assert ratings.tolist() == [5, 0, -1]
    assert ratings.dtype == np.float32
    assert not missing.any()


@pytest.mark.parametrize(
    "values", [pa.array([1.0, None]), pa.array([1.0, math.nan]), pa.array([1.0, 1e300]), pa.array(["1", ""])]
)
def test_what_is_no_finite_number_is_missing(values: pa.Array) -> None:
    ratings, missing = read(values)
    assert missing.tolist() == [False, True]
    assert np.isfinite(ratings).all()


@pytest.mark.parametrize("values", [pa.array(["1", "five stars"]), pa.array([True, False])])
def test_other_columns_are_refused_with_the_field(values: pa.Array) -> None:
    with pytest.raises(
        DataError, match=r"f: column r: .* rows hold .*; name a column of numbers in data.columns.rating"
    ):
        read(values)
