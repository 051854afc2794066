"""Ids of users and items: UTF-8 strings compared bytewise, integers as minimal decimal text (docs/contracts.md section 4)."""

MAX_ID_BYTES = 256
_SHOWN = 80


class InvalidIdError(ValueError):
    """The value cannot be an id; the message says why and what to do."""


def canonical_id(value: object) -> str:
    """The canonical text of an id.

    Integers become minimal decimal text; strings stay as they are. Everything else is refused, because two
    systems would write it differently (1.0 and 1, True and true).

    Raises:
        InvalidIdError: for a float, a boolean, null, an empty id, outer space, or more than 256 bytes.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InvalidIdError(f"id {_shown(value)} is a {type(value).__name__}; use a string or an integer")
    text = str(value)
    if not text:
        raise InvalidIdError("id is empty; use a string of 1 to 256 bytes")
    if text != text.strip():
        raise InvalidIdError(f"id {_shown(text)} has leading or trailing space; strip it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidIdError(f"id {_shown(text)} is not valid UTF-8 text") from error
    if size > MAX_ID_BYTES:
        raise InvalidIdError(f"id of {size} bytes is longer than {MAX_ID_BYTES}")
    return text


def _shown(value: object) -> str:
    """So short that who cuts the message leaves what to do in it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
