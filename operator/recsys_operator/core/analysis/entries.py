"""Where the counters of pods and proxies stood when the totals were banked, and what they have counted since.

What the counters of the same processes grew by is one block of each arm, as if it had been one second. A process that is gone,
that began since, or that is read later than the others says nothing. See docs/adr/0013.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from recsys_api.base import Observed
from recsys_operator.core.counters import BOUNDS, GatewayCounters, GatewayStanding, PodCounters, Reading
from recsys_operator.core.samples import VersionSecond

MAX_PODS = 64
"""Of both arms, the candidate's first."""
MAX_PROXIES = 16


class Entries(Observed):
    """Counters at the end of the last second that is in the totals."""

    at: float = 0.0
    candidate: dict[str, str] = Field(default_factory=dict)
    """Pod uid -> its counters (`_write_pod`); empty where nothing of the pod was counted yet."""
    stable: dict[str, str] = Field(default_factory=dict)
    candidate_left_out: int = 0
    """Pods that were there beyond MAX_PODS."""
    stable_left_out: int = 0
    gateway: dict[str, str] = Field(default_factory=dict)
    """Process of a proxy -> requests and bad ones of the candidate and of stable; empty where they were not known."""
    generation: int = 0
    """Of the HTTPRoute."""


@dataclass(frozen=True)
class Block:
    """What one arm did since the entries."""

    second: VersionSecond
    """All of it as one second."""
    unread: int
    """Pods of which it says nothing."""
    lost: float | None
    """About how many requests they had: the mean of the others; None where there are no others."""
    availability: bool
    """Whether it says how many requests failed."""
    garbled: bool = False
    """A counter fell: no pod is believed."""

    @property
    def whole(self) -> bool:
        """Whether every request of the arm is in it."""
        return self.unread == 0 and not self.garbled


def write_entries(reading: Reading, candidate: str, stable: str) -> Entries:
    """The entries of both versions."""
    own, other = reading.pods.get(candidate, {}), reading.pods.get(stable, {})
    kept = sorted(own)[:MAX_PODS], sorted(other)[: max(0, MAX_PODS - len(own))]
    return Entries(
        at=reading.at, candidate={uid: _write_pod(own[uid]) for uid in kept[0]},
        stable={uid: _write_pod(other[uid]) for uid in kept[1]},
        candidate_left_out=len(own) - len(kept[0]), stable_left_out=len(other) - len(kept[1]),
        gateway=_write_gateway(reading.gateway, candidate, stable),
        generation=reading.gateway.generation if reading.gateway is not None else 0,
    )  # fmt: skip


def recover(entries: Entries, reading: Reading, candidate: str, stable: str) -> tuple[Block, Block]:
    """What both versions did between the entries and a reading."""
    counted = _gateway_since(entries, reading.gateway, candidate, stable)
    arms = (
        (candidate, entries.candidate, entries.candidate_left_out, counted[0] if counted else None),
        (stable, entries.stable, entries.stable_left_out, counted[1] if counted else None),
    )
    by_pods = not reading.by_gateway and not entries.gateway
    own, other = (_block(name, pods, out, reading, gateway, by_pods) for name, pods, out, gateway in arms)
    return own, other


def _block(
    version: str, entries: Mapping[str, str], left_out: int, reading: Reading, gateway: GatewayCounters | None, by_pods: bool
) -> Block:  # fmt: skip
    there = reading.pods.get(version, {})
    grown = [delta for uid, text in entries.items() if (delta := _grown(text, there.get(uid))) is not None]
    garbled = any(delta.errors for delta in grown)
    deltas = [] if garbled else grown
    unknown = len(there.keys() - entries.keys())
    unread = len(entries.keys() | there.keys()) + max(0, left_out - unknown) - len(deltas)
    lost = sum(delta.requests for delta in deltas) / len(deltas) * unread if deltas else None
    second = VersionSecond(
        at=reading.at, version=version, pods_expected=0, pods_scraped=len(deltas),
        answers=sum(delta.answers for delta in deltas), failures=sum(delta.failures for delta in deltas),
        model_latency=tuple(map(sum, zip(*(delta.latency for delta in deltas), strict=True))),
        bad_fallbacks=sum(delta.bad_fallbacks for delta in deltas), unknown_users=sum(delta.unknown_users for delta in deltas),
        server_restarts=sum(delta.server_restarts for delta in deltas),
        gateway_requests=gateway.requests if gateway else None, gateway_bad=gateway.bad if gateway else None,
    )  # fmt: skip
    return Block(second, unread, 0.0 if unread == 0 else lost, by_pods or gateway is not None, garbled)


def _grown(text: str, now: PodCounters | None) -> PodCounters | None:
    """What a pod's process counted since; None where it is not the same process."""
    before = _read_pod(text)
    return now.since(before) if before is not None and now is not None and now.started == before.started else None


def _write_pod(counters: PodCounters | None) -> str:
    """`started answers failures bad_fallbacks unknown_users server_restarts latency…`, without the zeros at its end."""
    if counters is None:
        return ""
    numbers = (
        counters.answers, counters.failures, counters.bad_fallbacks, counters.unknown_users, counters.server_restarts,
        *counters.latency,
    )  # fmt: skip
    return " ".join((repr(counters.started), *map(str, numbers))).removesuffix(" 0" * (BOUNDS + 1))


def _read_pod(text: str) -> PodCounters | None:
    """The counters, or None where nothing was counted, or another release wrote them in another form."""
    started, *rest = text.split(" ")
    try:
        begun, numbers = float(started), [int(number) for number in rest]
    except ValueError:
        return None
    if len(numbers) not in (5, 5 + BOUNDS + 1):
        return None
    answers, failures, fallbacks, unknown, restarts, *latency = numbers
    return PodCounters(
        begun, answers, failures, tuple(latency) or (0,) * (BOUNDS + 1), fallbacks, unknown, restarts
    )  # fmt: skip


def _of_both(gateway: GatewayStanding | None, candidate: str, stable: str) -> dict[str, tuple[int, ...]]:
    """Process of a proxy -> requests and bad ones of the candidate and of stable; empty where they are not known."""
    if gateway is None or len(gateway.proxies) > MAX_PROXIES:
        return {}
    if any(version not in counts for counts in gateway.proxies.values() for version in (candidate, stable)):
        return {}
    return {
        uid: tuple(number for v in (candidate, stable) for number in (counts[v].requests, counts[v].bad))
        for uid, counts in gateway.proxies.items()
    }


def _write_gateway(gateway: GatewayStanding | None, candidate: str, stable: str) -> dict[str, str]:
    return {uid: " ".join(map(str, numbers)) for uid, numbers in _of_both(gateway, candidate, stable).items()}


def _gateway_since(
    entries: Entries, gateway: GatewayStanding | None, candidate: str, stable: str
) -> tuple[GatewayCounters, GatewayCounters] | None:
    """What all proxies sent to both versions since; None where one of them, or the route, is another one now."""
    now = _of_both(gateway, candidate, stable)
    same = gateway is not None and gateway.generation == entries.generation and now.keys() == entries.gateway.keys()
    if not now or not same:
        return None
    try:
        grown = [
            [number - int(text) for text, number in zip(entries.gateway[uid].split(" "), numbers, strict=True)]
            for uid, numbers in now.items()
        ]
    except ValueError:
        return None
    if min(map(min, grown)) < 0:
        return None
    own, own_bad, other, other_bad = map(sum, zip(*grown, strict=True))
    return GatewayCounters(own, own_bad), GatewayCounters(other, other_bad)
