"""Kinds of rules that several tables have."""

from pydantic.alias_generators import to_snake

from recsys_api.rule_types import Rule


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
