"""Kinds of rules that several tables have."""

from dataclasses import dataclass
from typing import Any

from pydantic.alias_generators import to_snake

from recsys_api.rule_types import Predicate, Rule


def prose(names: tuple[str, ...]) -> str:
    """A, B and C."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def cel_list(names: tuple[str, ...]) -> str:
    """['A', 'B', 'C']."""
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


def only(path: str, choice: str, allowed: tuple[str, ...], field: str) -> Rule:
    """`field` is absent where `choice`, beside it, is none of `allowed`: it would be ignored."""
    other = allowed[0] if len(allowed) == 1 else f"one of {prose(allowed)}"
    return Rule(
        (path,),
        f"self.{choice} in {cel_list(allowed)} || !has(self.{field})",
        f"{field} is for {prose(allowed)} only; remove {field}, or set {choice} to {other}",
        lambda part: getattr(part, choice) in allowed or getattr(part, to_snake(field)) is None,
        field=field,
    )


@dataclass(frozen=True)
class Choice:
    """A setting of a spec that needs others beside it."""

    field: str
    """Below `spec`: where it is chosen."""
    value: str | bool
    """What is chosen; no other value needs anything."""
    words: str
    """How a message names it."""
    instead: str
    """How one does without it."""

    def needs(self, cel: str, holds: Predicate, why: str, fix: str) -> Rule:
        """Where it is chosen this holds of the spec."""
        name = f"self.{self.field}"
        another = f"!{name}" if self.value is True else f"{name} != '{self.value}'"
        return Rule(
            ("spec",),
            f"!has({name}) || {another} || ({cel})",
            f"{self.words} {why}; {fix}, or {self.instead}",
            lambda spec: self._of(spec) != self.value or holds(spec),
            field=self.field,
        )

    def _of(self, spec: Any) -> object:
        for name in self.field.split("."):
            spec = getattr(spec, to_snake(name))
        return spec
