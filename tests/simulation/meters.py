"""What pods and a gateway's proxy have counted, and what the operator's sampler makes of it: it reads differences.

Counters go on when no operator runs. A process begins with what it reads first; what a pod counts goes with the pod.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from recsys_operator.adapters.metrics.pods import PodIncrements
from recsys_operator.core.counters import BOUNDS, GatewayCounters, GatewayStanding, PodCounters, Reading
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import PodView

PROXY = "proxy/0"


@dataclass(frozen=True)
class Served:
    """What one version's users had in a second."""

    requests: int = 0
    answers: int = 0
    bad: int = 0
    slow: int = 0
    fallbacks: int = 0
    unknown: int = 0


@dataclass
class Meters:
    """Counters, and how far one process of the operator has read them."""

    pods: dict[str, PodCounters] = field(default_factory=dict)
    gateway: dict[str, GatewayCounters] = field(default_factory=dict)
    increments: PodIncrements = field(default_factory=PodIncrements)
    page: dict[str, GatewayCounters] | None = None
    """The gateway's, as it was read last; None where it was not."""
    begun: Reading | None = None
    standing: Reading | None = None

    def forget(self) -> None:
        """Another process, or a watch that begins anew."""
        self.increments, self.page, self.begun, self.standing = PodIncrements(), None, None, None

    def serve(self, version: str, pods: Sequence[PodView], turn: int, served: Served) -> None:
        """A second of users: one of the ready pods has them all."""
        for pod in pods:
            known = self.pods.get(pod.uid)
            if known is None or known.started != pod.restarts + 1.0:
                self.pods[pod.uid] = PodCounters(started=pod.restarts + 1.0)
        ready = [pod for pod in pods if pod.ready]
        if ready and served.answers:
            uid = ready[turn % len(ready)].uid
            self.pods[uid] = _grown(self.pods[uid], served)
        before = self.gateway.get(version, GatewayCounters())
        self.gateway[version] = GatewayCounters(before.requests + served.requests, before.bad + served.bad)

    def read(
        self, at: float, pods: Mapping[str, Sequence[PodView]], *, blind: set[str], outage: bool, gateway: bool,
        generation: int, lost: Mapping[str, float],
    ) -> list[VersionSecond]:  # fmt: skip
        """One tick of the sampler."""
        there = {pod.uid for own in pods.values() for pod in own}
        self.pods = {uid: counters for uid, counters in self.pods.items() if uid in there}
        before, self.page = self.page, dict(self.gateway) if gateway and not outage else None
        seconds = [
            self._second(at, name, own, lost.get(name, 0.0), before, readable=not outage and name not in blind)
            for name, own in pods.items()
        ]
        self.increments.keep(self.pods)
        self.standing = self._standing(at, pods, generation, by_gateway=gateway)
        if self.begun is None and self.standing.says_something:
            self.begun = self.standing
        return seconds

    def _second(
        self, at: float, version: str, pods: Sequence[PodView], lost: float, before: dict[str, GatewayCounters] | None, *,
        readable: bool,
    ) -> VersionSecond:  # fmt: skip
        ready = [pod for pod in pods if pod.ready]
        read = [self.increments.advance(pod.uid, self.pods[pod.uid])[0] for pod in ready if readable]
        counts: dict[str, int | None] = {"gateway_requests": None, "gateway_bad": None}
        if self.page is not None and before is not None:
            now, then = (page.get(version, GatewayCounters()) for page in (self.page, before))
            counts = {"gateway_requests": now.requests - then.requests, "gateway_bad": now.bad - then.bad}
        return VersionSecond(
            at, version, len(ready), len(read), lost=lost, answers=sum(delta.answers for delta in read),
            model_latency=tuple(map(sum, zip(*(delta.latency for delta in read), strict=True))),
            bad_fallbacks=sum(delta.bad_fallbacks for delta in read),
            unknown_users=sum(delta.unknown_users for delta in read), **counts,  # type: ignore[arg-type]
        )  # fmt: skip

    def _standing(
        self, at: float, pods: Mapping[str, Sequence[PodView]], generation: int, *, by_gateway: bool
    ) -> Reading:
        stand = {
            version: {
                pod.uid: self.increments.standing(pod.uid)
                for pod in own
                if pod.ready or self.increments.standing(pod.uid) is not None
            }
            for version, own in pods.items()
        }
        page = self.page
        proxies = {PROXY: {version: page.get(version, GatewayCounters()) for version in pods}} if page else None
        gateway = GatewayStanding(generation, proxies) if proxies is not None else None
        return Reading(at, stand, gateway, by_gateway=by_gateway)


def _grown(counters: PodCounters, served: Served) -> PodCounters:
    latency = [0] * (BOUNDS + 1)
    latency[5], latency[-1] = served.answers - served.slow, served.slow
    return replace(
        counters, answers=counters.answers + served.answers, bad_fallbacks=counters.bad_fallbacks + served.fallbacks,
        unknown_users=counters.unknown_users + served.unknown,
        latency=tuple(map(sum, zip(counters.latency, latency, strict=True))),
    )  # fmt: skip
