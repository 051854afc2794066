"""What the API server answers: objects, items of lists, and errors with its own words."""

import json
from typing import Any

from recsys_operator.errors import ApiError, Unavailable, error_of_status
from recsys_operator.resources.kinds import Kind, Manifest

__all__ = ["error_of_answer", "named", "parsed"]


def parsed(what: str, raw: bytes) -> Manifest:
    """The object of an answer: a proxy on the way may say 200 with a page of its own, or cut an answer short.

    Raises:
        Unavailable: it is no JSON object.
    """
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable(what, f"the answer is no JSON object: {raw[:80]!r}")
    return found


def named(item: Manifest, kind: Kind) -> Manifest:
    """An item of a list with its kind: it carries none, or PartialObjectMetadata's."""
    return item | {"apiVersion": kind.api_version, "kind": kind.name}


def error_of_answer(what: str, status: int, raw: bytes, retry_after: str | None) -> ApiError:
    """The typed error of an answer that is no success.

    Args:
        retry_after: the header; read where it is a number of seconds, as the API server writes it.
    """
    try:
        answer: Any = json.loads(raw)
        message = str(answer.get("message") or answer)
    except (ValueError, AttributeError):
        message = raw[:200].decode(errors="replace")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
    return error_of_status(what, status, message, seconds)
