"""Requests of one route as counters: what its pods and the gateway's proxies would have counted by now.

Pure and told the time; counters move only when somebody looks or something changes, so idle routes cost nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CANDIDATE_RPS = 20.0
STABLE_RPS = 380.0
BAD_SHARE = 0.9
Position = tuple[int, int]
"""(rule, backend)."""


def positions_of(route: Mapping[str, Any]) -> dict[Position, str]:
    """(rule, backend) -> Service, of an HTTPRoute."""
    rules = route["spec"].get("rules") or ()
    return {
        (n, m): backend["name"]
        for n, rule in enumerate(rules)
        for m, backend in enumerate(rule.get("backendRefs") or ())
        if backend.get("weight", 1) > 0
    }


@dataclass
class Traffic:
    """Counters of one route. A route with two backends has a candidate: the one that came last."""

    at: float
    backends: dict[Position, str] = field(default_factory=dict)
    stable: str = ""
    candidate: str = ""
    bad: bool = False
    """The candidate fails now."""
    by_position: dict[Position, list[float]] = field(default_factory=dict)
    """[good, bad]."""
    answers: dict[str, float] = field(default_factory=dict)
    """Per version, as its pod counts."""

    def route(self, route: Mapping[str, Any], now: float) -> bool:
        """Take over a route; True where another version is the candidate now (or none)."""
        self.advance(now)
        before = self.candidate
        self.backends = positions_of(route)
        names = set(self.backends.values())
        if len(names) == 1:
            (self.stable,), self.candidate = names, ""
        elif names:
            self.candidate = next(name for name in names if name != self.stable)
        if self.candidate != before:
            self.bad = False
        return self.candidate != before

    def turn(self, now: float) -> None:
        """From now on the candidate fails."""
        self.advance(now)
        self.bad = True

    def advance(self, now: float) -> None:
        """Count what happened since the last look."""
        seconds, self.at = max(0.0, now - self.at), now
        for version, rate in ((self.stable, STABLE_RPS), (self.candidate, CANDIDATE_RPS)):
            if version:
                self._count(version, seconds * rate, BAD_SHARE if self.bad and version == self.candidate else 0.0)

    def clusters(self) -> Iterator[tuple[Position, int, int]]:
        """(position, good, bad) as whole requests."""
        return ((position, int(good), int(bad)) for position, (good, bad) in self.by_position.items())

    def _count(self, version: str, requests: float, bad: float) -> None:
        # all callers send a bucket: the first rule that names a version is the one that they match
        position = next((place for place, name in sorted(self.backends.items()) if name == version), None)
        if position is None:
            return
        counts = self.by_position.setdefault(position, [0.0, 0.0])
        counts[0] += requests * (1.0 - bad)
        counts[1] += requests * bad
        self.answers[version] = self.answers.get(version, 0.0) + requests
