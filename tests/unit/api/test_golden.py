"""Tables that other languages share: ids and buckets."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from recsys_api.buckets import bucket_header, bucket_of
from recsys_api.ids import InvalidIdError, canonical_id

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def _cases(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((GOLDEN / name).read_text())["cases"]
    return cases


@pytest.mark.parametrize(
    "case", [case for case in _cases("ids.json") if "id" in case], ids=lambda case: ascii(case["id"])[:20]
)
def test_valid_id_becomes_its_canonical_text(case: dict[str, Any]) -> None:
    assert canonical_id(case["input"]) == case["id"]


@pytest.mark.parametrize(
    "case", [case for case in _cases("ids.json") if "id" in case], ids=lambda case: ascii(case["id"])[:20]
)
def test_canonical_id_is_its_own_canonical_text(case: dict[str, Any]) -> None:
    assert canonical_id(case["id"]) == case["id"]


@pytest.mark.parametrize(
    "case", [case for case in _cases("ids.json") if "error" in case], ids=lambda case: ascii(case["input"])[:20]
)
def test_other_values_are_refused_with_their_reason(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidIdError, match=case["error"]):
        canonical_id(case["input"])


@pytest.mark.parametrize(
    "case", _cases("buckets.json"), ids=lambda case: f"{case['key'][:4]}-{ascii(case['user'])[:12]}"
)
def test_bucket_is_the_published_one(case: dict[str, Any]) -> None:
    assert bucket_header(case["user"], bytes.fromhex(case["key"])) == case["bucket"]


def test_bucket_is_what_the_definition_says() -> None:
    """The definition, written a second time."""
    digest = hmac.new(b"key", b"user", hashlib.sha256).hexdigest()
    assert bucket_of("user", b"key") == int(digest[:16], 16) % 10_000


def test_buckets_of_many_users_are_even() -> None:
    """A tenth of the buckets holds a tenth of the users, within five standard deviations."""
    users = 20_000
    share = sum(bucket_of(str(user), b"key") < 1000 for user in range(users)) / users
    assert abs(share - 0.1) < 5 * (0.1 * 0.9 / users) ** 0.5
