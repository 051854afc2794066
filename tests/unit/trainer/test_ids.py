"""Ids by the column agree with recsys_api.ids, value by value."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_api.ids import InvalidIdError, canonical_id
from recsys_trainer.data.ids import IdReader
from recsys_trainer.errors import DataError


def accepted(value: object) -> str | None:
    try:
        return canonical_id(value)
    except InvalidIdError:
        return None


def column(values: list[object], kind: pa.DataType | None = None) -> list[str | None]:
    array, reader = pa.array(values, kind), IdReader("f", "user_id")
    reader.refuse_type(array.type, len(array))
    found = reader.read(pa.chunked_array([array]))
    texts = [found.values[int(code)].as_py() if code >= 0 else None for code in found.codes]
    good = [code >= 0 and bool(found.good[code]) for code in found.codes]
    return [text if ok else None for text, ok in zip(texts, good, strict=True)]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=6) | st.sampled_from(
    ["", " ", "a ", "\x1fa", "a\x85", " a", "x" * 256, "x" * 257, "é" * 128, "é" * 129, "007", "1.0", "a b", "\u200ba"]
)


@given(st.lists(TEXT, min_size=1, max_size=20))
def test_texts_are_judged_as_canonical_id_does(values: list[object]) -> None:
    assert column(values, pa.string()) == [accepted(value) for value in values]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_integers_become_what_canonical_id_makes_of_them(values: list[object]) -> None:
    assert column(values, pa.int64()) == [accepted(value) for value in values]


def test_every_blank_of_unicode_is_judged_as_canonical_id_does() -> None:
    values: list[object] = [f"{chr(point)}a" for point in range(1, 0x3100) if not 0xD800 <= point < 0xE000]
    assert column(values, pa.string()) == [accepted(value) for value in values]


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int32(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_nulls_and_encodings_of_arrow_are_understood(kind: pa.DataType) -> None:
    values: list[object] = [7, None, 7] if pa.types.is_integer(kind) else ["7", None, "7"]
    assert column(values, kind) == ["7", None, "7"]


@pytest.mark.parametrize(
    "values", [[1.0, 2.0], [True], [b"a"], [[1]], [{"a": 1}]], ids=["float", "bool", "binary", "list", "struct"]
)
def test_other_types_are_refused_with_the_row_count(values: list[object]) -> None:
    with pytest.raises(DataError, match=rf"f: column user_id: {len(values)} rows hold .* integers or strings"):
        column(values)


@pytest.mark.parametrize(
    ("texts", "decimals"),
    [
        (["1.0", "2.0", "2.0"], 3),
        (["1.0", "2", "3"], 1),
        (["1", "2.0", "", None, "2.0"], 2),
        (["nan", "1.0", "2"], 1),
        (["7", "1e+16", "1.5E+16"], 2),
        (["1", "2", "007"], 0),
        (["1", "nan"], 0),
        (["1", "12e4"], 0),
        (["1.0", "2", "v3"], 0),
        (["1.2.0", "1.0"], 0),
    ],
)
def test_numbers_that_are_decimals_in_part_are_refused_as_text(texts: list[str | None], decimals: int) -> None:
    reader = IdReader("f", "user_id", text=True)
    for text in texts:
        reader.read(pa.chunked_array([pa.array([text], pa.string())]))
    if not decimals:
        return reader.finish()
    with pytest.raises(DataError, match=rf"{decimals} rows hold decimal numbers such as .*; write the column as int"):
        reader.finish()


def test_strings_of_parquet_are_taken_as_they_are() -> None:
    reader = IdReader("f", "item_id")
    found = reader.read(pa.chunked_array([["1", "1.0", "1.10"]]))
    reader.finish()
    assert found.values.to_pylist() == ["1", "1.0", "1.10"]
    assert found.good.all()
