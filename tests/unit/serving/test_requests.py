"""What the API accepts, and the body of every refusal."""

import json

import pytest

from recsys_serving.requests import MAX_SEEN, RecommendRequest, RequestError, parse_event, parse_recommend

ACCEPTED = [
    ({"user": "u1"}, RecommendRequest("u1", 50)),
    ({"user": 7, "k": 1}, RecommendRequest("7", 1)),
    ({"user": "ü", "k": 50, "seen": [1, "b"]}, RecommendRequest("ü", 50, ("1", "b"))),
    ({"user": "a b", "requestId": "r-1"}, RecommendRequest("a b", 50, (), "r-1")),
]


@pytest.mark.parametrize(("body", "expected"), ACCEPTED)
def test_valid_bodies(body: object, expected: RecommendRequest) -> None:
    assert parse_recommend(json.dumps(body).encode(), top_k=50) == expected


REFUSED = [
    (b"", "body", "not JSON"),
    (b"{", "body", "not JSON"),
    (b"\xff", "body", "not JSON"),
    (b'{"user": NaN}', "body", "NaN"),
    (b'{"user": ' + b"9" * 5000 + b"}", "body", "digits"),
    (b"[" * 200_000, "body", "not JSON"),
    (b"[]", "body", "JSON object"),
    (b"{}", "user", "required"),
    (b'{"user": null}', "user", "NoneType"),
    (b'{"user": 1.0}', "user", "float"),
    (b'{"user": true}', "user", "bool"),
    (b'{"user": 1e999}', "user", "float"),
    (b'{"user": -1e999}', "user", "float"),
    (json.dumps({"user": {"id": "a" * 300}}).encode(), "user", "use a string or an integer"),
    (json.dumps({"user": " " + "a" * 300}).encode(), "user", "strip it"),
    (b'{"user": ""}', "user", "empty"),
    (b'{"user": " a"}', "user", "space"),
    (b'{"user": "\\ud800"}', "user", "UTF-8"),
    (b'{"user": "' + b"a" * 257 + b'"}', "user", "longer"),
    (b'{"user": "u", "k": 51}', "k", "from 1 to 50"),
    (b'{"user": "u", "k": 0}', "k", "from 1 to 50"),
    (b'{"user": "u", "k": 2.0}', "k", "whole number"),
    (b'{"user": "u", "k": 1e999}', "k", "whole number"),
    (b'{"user": "u", "k": true}', "k", "whole number"),
    (b'{"user": "u", "k": null}', "k", "whole number"),
    (b'{"user": "u", "seen": "i"}', "seen", "list"),
    (b'{"user": "u", "seen": [1.5]}', "seen[0]", "float"),
    (json.dumps({"user": "u", "seen": [1] * (MAX_SEEN + 1)}).encode(), "seen", "at most"),
    (b'{"user": "u", "requestId": "a b"}', "requestId", "printable"),
    (b'{"user": "u", "requestId": "a\\r\\nb"}', "requestId", "printable"),
    (b'{"user": "u", "requestId": "a\\n"}', "requestId", "printable"),
    (b'{"user": "u", "requestId": 5}', "requestId", "printable"),
    (b'{"user": "u", "topK": 5}', "topK", "unknown field"),
    (b'{"user": "u", "seen": ["a"], "seen": ["b"]}', "seen", "stands twice"),
]


@pytest.mark.parametrize(("raw", "field", "words"), REFUSED, ids=[f"{i}-{row[1]}" for i, row in enumerate(REFUSED)])
def test_refusals_name_field_value_and_fix(raw: bytes, field: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        parse_recommend(raw, top_k=50)
    error = caught.value.to_dict()["error"]
    assert isinstance(error, dict)
    assert set(error) == {"field", "value", "message"}
    assert error["field"] == field
    assert len(json.dumps(error, allow_nan=False)) < 4096


BAD_EVENTS = [
    ({"type": "click", "item": "a"}, "token"),
    ({"token": 5, "type": "click", "item": "a"}, "token"),
    ({"token": "x" * 20_000, "type": "click", "item": "a"}, "token"),
    ({"token": "x", "type": "buy", "item": "a"}, "type"),
    ({"token": "x", "type": ["click"], "item": "a"}, "type"),
    ({"token": "x", "type": "click"}, "item"),
    ({"token": "x", "type": "click", "item": 1.5}, "item"),
]


@pytest.mark.parametrize(("body", "field"), BAD_EVENTS)
def test_events_are_checked(body: object, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_event(json.dumps(body).encode())
    assert caught.value.field == field
