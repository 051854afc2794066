"""Equal parts of many objects exist once: most of what 1,000 models have in a cluster differs in names and times only.

An object is held against one that was kept before, place by place, so that there is no table of parts to look after: a part
lives as long as some object has it.
"""

import dataclasses
import sys
from typing import Any

from pydantic import BaseModel

__all__ = ["shared"]

LONGEST_TEXT = 256
"""Longer ones are hardly ever the same twice."""
_NONE = object()


def shared(value: Any, other: Any) -> Any:
    """The value with `other`'s parts wherever both are equal, types included; `other` itself where all are.

    Args:
        value: JSON, pydantic models and dataclasses, as deep as they are. It was just made and nobody else holds it.
        other: what was kept before and is likely to be much the same. Neither may be changed afterwards.
    """
    if type(value) is dict:
        return _shared_dict(value, other if type(other) is dict else {})
    if type(value) in (list, tuple):
        return _shared_items(value, other if type(other) is type(value) else ())
    if isinstance(value, BaseModel):
        return _shared_model(value, other)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        parts = {name: shared(part, getattr(other, name, _NONE)) for name, part in own.items()}
        return dataclasses.replace(value, **parts)
    if type(value) is str and len(value) <= LONGEST_TEXT:
        return sys.intern(value)
    # 0.0 and -0.0 are equal, and are not the same
    return other if type(value) is type(other) and value == other and repr(value) == repr(other) else value


def _shared_dict(value: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    made = {
        sys.intern(key) if type(key) is str else key: shared(part, other.get(key, _NONE)) for key, part in value.items()
    }
    return other if _is_all(made, other) else made


def _shared_items(value: Any, other: Any) -> Any:
    made = type(value)(shared(part, other[n] if n < len(other) else _NONE) for n, part in enumerate(value))
    same = type(other) is type(value) and len(made) == len(other)
    return other if same and all(a is b for a, b in zip(made, other, strict=True)) else made


def _shared_model(value: BaseModel, other: Any) -> BaseModel:
    """Models are changed where they lie: a copy would say that all of its fields were given."""
    parts = other.__dict__ if type(other) is type(value) else {}
    for name, part in value.__dict__.items():
        value.__dict__[name] = shared(part, parts.get(name, _NONE))
    if parts and _is_all(value.__dict__, parts) and value.model_fields_set == other.model_fields_set:
        return other  # type: ignore[no-any-return]
    return value


def _is_all(made: dict[Any, Any], other: dict[Any, Any]) -> bool:
    return len(made) == len(other) and all(part is other.get(key, _NONE) for key, part in made.items())
