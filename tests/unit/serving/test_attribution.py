"""Tokens cannot be altered, and an event counts once, for what was shown, under the version that showed it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_serving.events import MAX_AGE_SECONDS, EventLedger
from recsys_serving.requests import EventRequest
from recsys_serving.tokens import TokenError, TokenSigner

KEY = b"k" * 16
NOW = 1_800_000_000


def sign(
    items: tuple[str, ...] = ("a", "b"), *, key: bytes = KEY, version: str = "movies-1", request: str = "r"
) -> str:
    return TokenSigner(key).sign(request_id=request, version=version, source="Model", items=items, seconds=NOW)


@given(items=st.lists(st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable()), max_size=50))
def test_a_token_says_what_was_signed(items: list[str]) -> None:
    signer = TokenSigner(KEY)
    exposure = signer.verify(sign(tuple(items)))
    assert (exposure.request_id, exposure.version, exposure.source, exposure.seconds) == ("r", "movies-1", "Model", NOW)
    assert exposure.item_hashes == tuple(map(signer.item_hash, items))


def test_every_changed_byte_is_noticed() -> None:
    raw = urlsafe_b64decode(sign() + "==")
    for at in range(len(raw)):
        changed = bytes((*raw[:at], raw[at] ^ 1, *raw[at + 1 :]))
        with pytest.raises(TokenError):
            TokenSigner(KEY).verify(urlsafe_b64encode(changed).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "token", ["", "A", "!!!!", "é", "A" * 50, sign()[:-4], sign() + "AAAA", sign(key=b"x" * 16), sign() + "="]
)
def test_foreign_tokens_are_refused(token: str) -> None:
    with pytest.raises(TokenError):
        TokenSigner(KEY).verify(token)


def test_the_order_of_items_is_signed() -> None:
    assert sign(("a", "b")) != sign(("b", "a"))


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> EventLedger:
    return EventLedger(TokenSigner(KEY), version="movies-2", now=clock, capacity=2)


def click(token: str, item: str = "a", kind: str = "click") -> EventRequest:
    return EventRequest(token=token, type=kind, item=item)


def test_an_event_counts_under_the_tokens_version(ledger: EventLedger) -> None:
    outcome = ledger.accept(click(sign()))
    assert (outcome.accepted, outcome.version) == (True, "movies-1")


def test_the_same_event_counts_once_and_another_type_or_item_again(ledger: EventLedger) -> None:
    token = sign()
    assert ledger.accept(click(token)).accepted
    assert ledger.accept(click(token)).reason == "Duplicate"
    assert ledger.accept(click(token, kind="view")).accepted
    assert ledger.accept(click(token, item="b")).accepted
    assert ledger.accept(click(sign(request="r2"), item="b")).accepted


def test_memory_for_duplicates_is_bounded(ledger: EventLedger) -> None:
    tokens = [sign(request=f"r{n}") for n in range(3)]
    assert all(ledger.accept(click(token)).accepted for token in tokens)
    assert ledger.accept(click(tokens[2])).reason == "Duplicate"


def test_an_item_that_was_not_shown_does_not_count(ledger: EventLedger) -> None:
    assert ledger.accept(click(sign(), item="z")).reason == "ItemNotShown"


def test_a_forged_token_is_dropped_under_our_own_version(ledger: EventLedger) -> None:
    outcome = ledger.accept(click(sign(key=b"x" * 16)))
    assert (outcome.accepted, outcome.version, outcome.reason) == (False, "movies-2", "InvalidToken")


@pytest.mark.parametrize("age", [MAX_AGE_SECONDS + 1, -301])
def test_a_token_of_another_day_does_not_count(ledger: EventLedger, clock: Clock, age: int) -> None:
    clock.now = NOW + age
    assert ledger.accept(click(sign())).reason == "Expired"
