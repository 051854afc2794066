"""A rule about a manifest, said once: the API server runs the CEL expression, the CLI the predicate; one message."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.alias_generators import to_snake

_SHOWN = 80
"""Characters of a value that a message repeats."""
Predicate = Callable[[Any], bool]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a manifest."""

    field: str
    """Path as kubectl writes it: spec.rollout.steps[0].weight."""
    message: str
    """What is wrong and what to write instead."""
    found: str = ""
    """What stands there, where that is short enough to be shown and the message does not say it."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" + (f" (found {self.found})" if self.found else "")


@dataclass(frozen=True)
class Rule:
    """What must hold at some places of a manifest.

    Examples:
        path `spec.rollout.slos[].sli` stands for every element of the list.
    """

    paths: tuple[str, ...]
    cel: str
    """`self` is the value at the path. Empty: the schema says it already (list-map keys)."""
    message: str
    holds: Predicate
    """On the pydantic value at the path; True for what only the API server can see (transitions)."""
    field: str = ""
    """Below the path: the field that is to be changed."""
    cluster_only: bool = False
    """Does not concern the CLI."""
    replaces: tuple[str, ...] = ()
    """Keywords of the schema that this rule says better."""
    shows: Callable[[Any], str] | None = None
    """What is to be changed of a value with several fields."""

    def problems(self, root: Any) -> Iterator[Problem]:
        """What breaks the rule in a manifest."""
        for path in self.paths:
            for place, value in values_at(root, path):
                if not self.holds(value):
                    yield Problem(f"{place}.{self.field}" if self.field else place, self.message, self._found(value))

    def _found(self, value: Any) -> str:
        """The text or number that is to be changed, or the entries of a map; a rule of CEL cannot say it."""
        if self.shows:
            return self.shows(value)
        if self.field:
            value = next((each for _, each in values_at(value, self.field)), None)
        if isinstance(value, dict):
            entries = ((key, each) for key, each in value.items() if not self.holds({key: each}))
            return ", ".join(f"{key}: {shown(each)}" for key, each in entries)
        return shown(value) if isinstance(value, str | int | float) else ""


def values_at(root: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(place, value) for everything that a path names below `root`; absent optionals are passed over."""
    found = [("", root)]
    for segment in path.split("."):
        name, many = segment.removesuffix("[]"), segment.endswith("[]")
        found = [item for place, value in found for item in _step(place, value, name, many)]
    return iter(found)


def _step(place: str, value: Any, name: str, many: bool) -> Iterator[tuple[str, Any]]:
    """The values one segment below `value`."""
    child = getattr(value, to_snake(name))
    place = f"{place}.{name}" if place else name
    if child is None:
        return
    if many:
        yield from ((f"{place}[{index}]", item) for index, item in enumerate(child))
    else:
        yield place, child


def shown(value: object) -> str:
    """A value as in JSON, shortened, for a message."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def quote(text: str) -> str:
    """A CEL string literal."""
    return json.dumps(text)


def between(low: float, high: float, *, inside: bool = False) -> Callable[[str], bool]:
    """Whether a decimal string lies in a range, ends included unless `inside`; True for malformed ones."""

    def holds(text: str) -> bool:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return True
        return low < float(text) < high if inside else low <= float(text) <= high

    return holds
