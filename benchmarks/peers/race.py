"""Ours and a peer in turn, A B A B …, so that what else the machine does meets both; medians, and what they mean."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Measured = dict[str, float]
"""{"seconds", "cpuSeconds", …} of one round."""


@dataclass(frozen=True)
class Race:
    """The rounds of both."""

    ours: list[Measured]
    peers: list[Measured]

    def median(self, of: Callable[[Measured], float]) -> tuple[float, float]:
        """(ours, the peer's)."""
        return statistics.median(map(of, self.ours)), statistics.median(map(of, self.peers))


def interleaved(ours: Callable[[], Measured], peers: Callable[[], Measured], rounds: int) -> Race:
    """One round of each warms up and does not count."""
    ours(), peers()
    pairs = [(ours(), peers()) for _ in range(rounds)]
    return Race([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def rate(measured: Measured) -> float:
    """Samples a second."""
    return measured["samples"] / measured["seconds"]


def cpu_rate(measured: Measured) -> float:
    """Samples a second of CPU time."""
    return measured["samples"] / measured["cpuSeconds"]


def row(name: str, unit: str, values: tuple[float, float], peer: str, at_least: float, *, more_is_better: bool) -> Row:
    """A line of the table; the ratio says how many times as good ours is."""
    ours, peers = values
    ratio = ours / peers if more_is_better else peers / ours
    return {
        "name": name, "unit": unit, "value": significant(ours), "peer": peer, "peerValue": significant(peers),
        "ratio": round(ratio, 2), "atLeast": at_least, "ok": ratio >= at_least,
    }  # fmt: skip


def significant(value: float, digits: int = 3) -> float:
    """Rounded to what a measurement tells."""
    return float(f"{value:.{digits}g}")


def paired_difference(ours: Sequence[float], peers: Sequence[float]) -> tuple[float, float, float]:
    """(mean difference, 95 % interval) over users, normal approximation."""
    differences = [mine - theirs for mine, theirs in zip(ours, peers, strict=True)]
    mean, spread = statistics.fmean(differences), statistics.stdev(differences)
    half = 1.96 * spread / len(differences) ** 0.5
    return mean, mean - half, mean + half
