"""Equal parts exist once, and sharing changes nothing that can be read."""

import copy
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.operator import objects

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.adapters.shared import shared

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


def text_of(value: Any) -> str:
    """Tells 1, 1.0 and True apart, which are equal in Python."""
    return json.dumps(value, sort_keys=True)


@given(JSON, JSON)
def test_what_is_read_is_what_was_given(value: Any, other: Any) -> None:
    before = text_of(value), text_of(other)
    made = shared(copy.deepcopy(value), other)
    assert (text_of(made), text_of(other)) == before


@given(JSON)
def test_of_equals_the_first_is_taken(value: Any) -> None:
    first = shared({"part": value}, None)
    assert shared(copy.deepcopy(first), first) is first


def test_what_is_equal_within_objects_that_differ_is_the_same_object() -> None:
    first = {"name": "a", "spec": {"ports": [{"port": 80}], "replicas": 1}}
    second = shared({"name": "b", "spec": {"ports": [{"port": 80}], "replicas": 2}}, first)
    assert second == {"name": "b", "spec": {"ports": [{"port": 80}], "replicas": 2}}
    assert second["spec"]["ports"] is first["spec"]["ports"]  # type: ignore[index]


@pytest.mark.parametrize(("value", "other"), [(True, 1), (1, 1.0), ([1], (1,)), (None, {}), ({}, []), (0.0, -0.0)])
def test_what_python_calls_equal_is_not_enough(value: Any, other: Any) -> None:
    made = shared({"part": value}, {"part": other})
    assert repr(made["part"]) == repr(value)


@dataclass(frozen=True)
class View:
    """As those of core."""

    name: str
    spec: RecommenderModelSpec


def test_views_share_the_parts_of_their_specs_and_still_say_which_fields_were_given() -> None:
    def spec(**model: Any) -> RecommenderModelSpec:
        return RecommenderModelSpec.model_validate(objects.MODEL_SPEC | {"model": model})

    # as what is kept: its texts are those that everybody has
    first = shared(View("a", spec(embeddingDim=8)), None)
    second = shared(View("b", spec(embeddingDim=16)), first)
    assert (second.name, second.spec) == ("b", spec(embeddingDim=16))
    assert second.spec.rollout is first.spec.rollout
    assert second.spec.model.model_fields_set == {"embedding_dim"}
    given_default = shared(View("c", spec(embeddingDim=8, dropout=0.0)), first)
    assert given_default.spec.model.model_fields_set == {"embedding_dim", "dropout"}
    assert first.spec.model.model_fields_set == {"embedding_dim"}
