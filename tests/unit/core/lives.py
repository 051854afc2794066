"""One segment as one operator process after another sees it: counters that go on, a bank at most every 15 s, kills."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random

from recsys_operator.core.analysis.entries import write_entries
from recsys_operator.core.analysis.evidence import Evidence, fold_evidence
from recsys_operator.core.analysis.objectives import Objective
from recsys_operator.core.analysis.takeover import take_over
from recsys_operator.core.counters import BOUNDS, PodCounters, Reading
from recsys_operator.core.samples import VersionSecond

NOW = 1_800_000_000.0
BANK_SECONDS = 15
FAST = 5
Events = tuple[int, int]
"""Answers of a second, and how many of them are slow."""
Arms = Callable[[Random], tuple[Events, Events]]
"""A second of the candidate and of stable."""


@dataclass
class Segment:
    """A pod of each arm; whoever looks sees its latencies alone."""

    objective: Objective
    seed: int
    arms: Arms
    counters: dict[str, PodCounters] = field(default_factory=lambda: {"new": PodCounters(1.0), "old": PodCounters(1.0)})
    at: float = NOW
    evidence: Evidence = field(default_factory=lambda: Evidence(version="new", segment=1, since=NOW))
    banked: str = ""
    """As JSON."""
    banked_at: float = NOW
    since: float = NOW
    dead: bool = False
    lives: int = 1

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.banked = self.evidence.model_dump_json(by_alias=True)

    def seconds(self, length: int, kills: Iterator[int] | None = None) -> Iterator[Evidence]:
        """What is known after each second that somebody watched."""
        left = next(kills) if kills is not None else length
        for _ in range(length):
            if left == 0 and kills is not None:
                self.dead, left = True, next(kills)
            yield self.second()
            left -= 1

    def second(self, passed: float = 1.0) -> Evidence:
        """One more, of so many seconds by the clock."""
        before = dict(self.counters)
        self.at += passed
        for version, events in zip(("new", "old"), self.arms(self.random), strict=True):
            self.counters[version] = _grown(self.counters[version], *events)
        if self.dead:
            return self._begin()
        deltas = {version: now.since(before[version]) for version, now in self.counters.items()}
        return self._fold(deltas)

    def bank(self) -> None:
        """Write it down."""
        self.evidence_banked = self.evidence.banked(write_entries(self._reading(), "new", "old"))
        self.banked, self.banked_at = self.evidence_banked.model_dump_json(by_alias=True), self.at
        self.evidence = self.evidence.looked_at(self.evidence_banked)

    def _begin(self) -> Evidence:
        """A process reads for the first time: what it counts, it counts from there."""
        self.dead, self.lives, self.since = False, self.lives + 1, self.at - 0.5
        known = Evidence.model_validate_json(self.banked).model_copy(update={"inherited": True})
        self.evidence = take_over(known, "old", (self.objective,), self._reading(), self.since)
        return self._fold({version: PodCounters(1.0) for version in self.counters})

    def _fold(self, deltas: dict[str, PodCounters]) -> Evidence:
        seconds = [
            VersionSecond(self.at, version, 1, 1, answers=delta.answers, model_latency=delta.latency)
            for version, delta in deltas.items()
        ]
        self.evidence = fold_evidence(self.evidence, "old", (self.objective,), seconds, self.since)
        if self.at >= self.banked_at + BANK_SECONDS:
            self.bank()
        return self.evidence

    def _reading(self) -> Reading:
        return Reading(self.at, {version: {version: page} for version, page in self.counters.items()}, by_gateway=False)


def drawn(random: Random, low: int = 3, high: int = 10) -> Iterator[int]:
    """How long each process lives."""
    while True:
        yield random.randint(low, high)


def at_rates(own: float, other: float, events: int = 10) -> Arms:
    """So many events a second, slow with these chances."""

    def arms(random: Random) -> tuple[Events, Events]:
        slow = [sum(random.random() < rate for _ in range(events)) for rate in (own, other)]
        return (events, slow[0]), (events, slow[1])

    return arms


def _grown(counters: PodCounters, answers: int, slow: int) -> PodCounters:
    latency = list(counters.latency)
    latency[FAST] += answers - slow
    latency[BOUNDS] += slow
    return replace(counters, answers=counters.answers + answers, latency=tuple(latency))
