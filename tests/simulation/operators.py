"""The operator in the simulation: observe, decide, act; it crashes, forgets and reads stale caches."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.cluster import Cluster, Refused
from tests.simulation.invariants import Invariants

from recsys_operator.core.decision import Announce, Decision, EnsureRoute, may_wait
from recsys_operator.core.lifecycle import decide

MOST_PASSES, STALE_PASSES = 25, 8
"""An unchanged world is quiet after this many passes, of which the first ones may be stale, and what is asked for."""


class Crashed(Exception):  # noqa: N818
    """The process was killed after an act."""


@dataclass
class Operator:
    """One process after another."""

    cluster: Cluster
    invariants: Invariants
    random: Random
    crash_rate: float = 0.0
    """Chance that the process is killed after any one act."""
    stale_rate: float = 0.0
    """Chance that a kind is read from an old cache."""
    patient: bool = True
    """As the reconciler: what only tells waits for a pass that writes nothing else."""
    memory: object = None
    down_until: float = 0.0
    leads: bool = False
    """The present process has taken the Lease."""
    acts: int = 0
    due: float = 0.0
    seen: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Passes until nothing is left to do now (8), or the process dies."""
        if self.cluster.now < self.down_until:
            return
        if not self.leads:
            self.cluster.attended_until, self.leads = self.cluster.renewed_at, True
        self.cluster.renewed_at = self.cluster.clock
        if not self._is_woken():
            return
        asked = sum(action.status.phase == "Pending" for action in self.cluster.actions.values())
        try:
            # each action has a pass of its own, and they pile up while no operator is there
            for number in range(MOST_PASSES + asked):
                # a cache that lags for ever is no cache: the later passes of a second are fresh
                stale = self._stale() if number < STALE_PASSES else {}
                if not self._one_pass(stale) and not stale:
                    self.seen = self.cluster.snapshot()
                    return
            raise AssertionError("8: the unchanged world is written to again and again: " + "; ".join(self.log[-12:]))
        except Crashed:
            self.restart()

    def restart(self) -> None:
        """The process ends; the next one knows what is recorded."""
        self.memory, self.seen, self.leads = None, {}, False
        self.down_until = self.cluster.now + self.random.choice([0, 1, 3, 20, 120])
        self.cluster.watch(())

    def _is_woken(self) -> bool:
        """By a changed object, by a sample, or because it is time: nothing else lets a pass run."""
        return bool(self.cluster.sampled) or self.cluster.now >= self.due or self.cluster.snapshot() != self.seen

    def _one_pass(self, stale: dict[str, int]) -> bool:
        world = self.cluster.observe(stale)
        decision = decide(world, self.cluster.clock, self.memory)
        if world.model is not None:
            self._check_waits(decision)
        self.due = self.cluster.now + (decision.requeue_after if decision.requeue_after is not None else 1e9)
        self.cluster.watch(decision.sample)
        wrote = False
        for act in decision.acts:
            if wrote and may_wait(act) and self.patient:
                continue
            self.log.append(
                f"{self.cluster.now:.0f} {type(act).__name__} {getattr(act, 'name', getattr(act, 'version', ''))}"
            )
            gone = world.model is None and self.cluster.model is not None
            self.invariants.before(act, world, stale_model=gone)
            before = self.cluster.route.intent if self.cluster.route is not None else None
            try:
                self.cluster.execute(act, world)
            except Refused as refused:
                self.log.append(str(refused))
                return False
            if isinstance(act, EnsureRoute):
                self.invariants.raised(act, before)
            self.invariants.after()
            wrote = wrote or not isinstance(act, Announce)
            self.acts += 1
            if self.random.random() < self.crash_rate:
                raise Crashed
        self.memory = decision.memory
        return wrote

    def _stale(self) -> dict[str, int]:
        kinds = ("versions", "route", "pods", "serving", "jobs", "actions", "model")
        return {kind: self.random.randint(1, 3) for kind in kinds if self.random.random() < self.stale_rate}

    def _check_waits(self, decision: Decision) -> None:
        """9: there is always a next time."""
        assert decision.requeue_after is not None
        assert decision.requeue_after <= 300
