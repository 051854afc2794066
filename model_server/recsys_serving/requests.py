"""Bodies of the API: what is accepted, and what is said about the rest. No framework, so that a table can test it."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from recsys_api.ids import InvalidIdError, canonical_id

MAX_BODY_BYTES = 1 << 20
MAX_SEEN = 1000
MAX_TOKEN_CHARACTERS = 16_384
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_SHOWN = 200
EVENT_TYPES = ("click", "view", "conversion")


class RequestError(Exception):
    """A 4xx: which field, its value, and what to send instead."""

    def __init__(self, field: str, value: object, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.field, self.value, self.message, self.status = field, value, message, status

    def to_dict(self) -> dict[str, object]:
        """The published error body."""
        return {"error": {"field": self.field, "value": _shown(self.value), "message": self.message}}


def _shown(value: object) -> object:
    # JSON has no infinity, but 1e999 is read as one.
    is_plain = isinstance(value, (int, type(None))) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else str(value)[:_SHOWN]


@dataclass(frozen=True)
class RecommendRequest:
    """A valid `POST /v1/recommend`."""

    user: str
    k: int
    seen: tuple[str, ...] = ()
    request_id: str = ""


@dataclass(frozen=True)
class EventRequest:
    """A valid `POST /v1/events`; whether its token is ours is another question."""

    token: str
    type: str
    item: str


def parse_recommend(raw: bytes, *, top_k: int) -> RecommendRequest:
    """Parse a recommend body.

    Raises:
        RequestError: names the field, its value and the fix.
    """
    body = _parse_object(raw, allowed={"user", "k", "seen", "requestId"})
    return RecommendRequest(
        user=_id(body, "user"),
        k=_k(body, top_k),
        seen=_seen(body),
        request_id=_request_id(body),
    )


def parse_event(raw: bytes) -> EventRequest:
    """Parse an event body; raises RequestError like parse_recommend."""
    body = _parse_object(raw, allowed={"token", "type", "item"})
    token, kind = body.get("token"), body.get("type")
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise RequestError("token", token, "send the token of the answer that the event belongs to")
    if kind not in EVENT_TYPES:
        raise RequestError("type", kind, f"send one of {', '.join(EVENT_TYPES)}")
    return EventRequest(token=token, type=str(kind), item=_id(body, "item"))


def is_request_id(text: str) -> bool:
    """Whether a request id can be echoed in a header: 1 to 128 printable ASCII characters without space."""
    return _REQUEST_ID.fullmatch(text) is not None


def _parse_object(raw: bytes, *, allowed: set[str]) -> Mapping[str, object]:
    try:
        body = json.loads(raw, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeats)
    except (ValueError, RecursionError) as error:
        reason = str(error)[:_SHOWN]
        raise RequestError("body", raw[:_SHOWN].decode("utf-8", "replace"), f"not JSON: {reason}") from error
    if not isinstance(body, dict):
        raise RequestError("body", type(body).__name__, "send a JSON object")
    unknown = sorted(set(body) - allowed)
    if unknown:
        raise RequestError(unknown[0][:_SHOWN], body[unknown[0]], f"unknown field; send {', '.join(sorted(allowed))}")
    return body


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _refuse_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Otherwise the last one wins: of two lists of seen items the first would be recommended again.
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise RequestError(name[:_SHOWN], value, "stands twice; send it once")
        found[name] = value
    return found


def _id(body: Mapping[str, object], field: str) -> str:
    if field not in body:
        raise RequestError(field, None, "required; send a string or an integer")
    return _canonical(field, body[field])


def _canonical(field: str, value: object) -> str:
    try:
        return canonical_id(value)
    except InvalidIdError as error:
        raise RequestError(field, value, str(error)[:_SHOWN]) from error


def _k(body: Mapping[str, object], top_k: int) -> int:
    k = body.get("k", top_k)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= top_k:
        raise RequestError("k", k, f"send a whole number from 1 to {top_k} (serving.topK)")
    return k


def _seen(body: Mapping[str, object]) -> tuple[str, ...]:
    seen = body.get("seen", [])
    if not isinstance(seen, list):
        raise RequestError("seen", seen, "send a list of item ids")
    if len(seen) > MAX_SEEN:
        raise RequestError("seen", len(seen), f"send at most {MAX_SEEN} items")
    return tuple(_canonical(f"seen[{at}]", item) for at, item in enumerate(seen))


def _request_id(body: Mapping[str, object]) -> str:
    value = body.get("requestId", "")
    if value == "" and "requestId" not in body:
        return ""
    if not isinstance(value, str) or not is_request_id(value):
        raise RequestError("requestId", value, "send 1 to 128 printable ASCII characters without space")
    return value
