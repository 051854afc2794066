"""How large the interactions are that a benchmark makes up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Of a table; the defaults take some seconds."""

    users: int = 100_000
    items: int = 20_000
    interactions: int = 1_000_000
