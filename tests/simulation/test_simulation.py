"""Random lives of a model: bad versions, crashes, stale caches, outages, people. The invariants hold after every act.

RECSYS_SIM_SEED chooses the first seed, RECSYS_SIM_SEEDS how many.
"""

import os
from collections.abc import Callable
from random import Random

import pytest
from tests.simulation.cluster import Cluster, Quality
from tests.simulation.invariants import Invariants
from tests.simulation.operators import Operator
from tests.simulation.people import People
from tests.simulation.waits import Waits
from tests.unit.core.factories import build_spec

from recsys_api.recommender_model import RecommenderModelSpec

FIRST = int(os.environ.get("RECSYS_SIM_SEED", "0"))
SEEDS = int(os.environ.get("RECSYS_SIM_SEEDS", "50"))
BUSY_SECONDS, QUIET_SECONDS = 300, 500
UNWATCHED_SECONDS = 45
"""Longer than every limit."""
SETTLED = frozenset(
    {"Stable", "Previous", "Retired", "Invalid", "Failed", "Rejected", "RolledBack", "Superseded", "NoNewData"}
)

WINDOWS = (
    [{"name": "freeze", "schedule": "1-59/3 * * * *", "seconds": 90}],
    [{"name": "open", "schedule": "*/3 * * * *", "seconds": 90, "effect": "Allow"}],
)
"""Closed for longer than every limit, half of the time."""


class Life:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cluster = Cluster(Random(seed + 1))
        self.invariants = Invariants(self.cluster)
        self.operator = Operator(
            self.cluster, self.invariants, Random(seed + 2),
            crash_rate=self.random.choice([0.0, 0.02, 0.1]), stale_rate=self.random.choice([0.0, 0.0, 0.1]),
        )  # fmt: skip
        self.autoscaled = self.random.random() < 0.4
        self.dims, self.pinned, self.paused, self.suspend, self.gates = 8, "", False, False, 0
        self.policy = self._draw_policy()
        steady = not self.operator.crash_rate and not self.operator.stale_rate
        self.people = People(self.cluster, self.random, self.invariants.promoted, self.invariants.asked, steady)
        self.waits = Waits(self.cluster, self.invariants.promoted)
        self.invariants.waits = self.waits if steady else None
        chance = Random(seed + 3)
        self.unwatched = [chance.choice([self._stay_away, self._set_clock_forward]) for _ in range(2 if steady else 0)]
        self.unwatched_after = float(chance.randint(2, 12))
        self.undo: list[tuple[float, Callable[[], None]]] = []
        self.pace = self.random.choice([0.01, 0.03, 0.1])
        self.cluster.gateway = self.random.random() < 0.8

    def spec(self) -> RecommenderModelSpec:
        """Today's spec."""
        rollout = {**self.policy, "paused": self.paused or None, "pinnedVersion": self.pinned or None}
        gate = {"name": "absolute", "metric": {"name": "NDCG", "k": 10}, "atLeast": f"0.0{self.gates}"}
        return build_spec(
            model={"embeddingDim": self.dims}, rollout=rollout, serving={**self._size(), "readyDeadlineSeconds": 20},
            evaluation={"gates": [gate]}, suspend=self.suspend or None, historyLimit=4,
        )  # fmt: skip

    def busy(self) -> None:
        """Everything happens."""
        self.cluster.apply_model(self.spec())
        for second in range(BUSY_SECONDS):
            self._draw_qualities()
            if second % 100 == 25:
                self._change_model()
            if self.unwatched and self.waits.has_waited(self.unwatched_after):
                self.unwatched.pop()()
            self._undo()
            if self.random.random() < self.pace:
                self._happen()
            self.people.go_on()
            self.second()

    def quiet(self) -> None:
        """Nothing happens any more: everything settles (9)."""
        self.undo = []
        self._set_outage(False)
        self._see_again()
        self._find_data()
        self._give_back()
        self.cluster.skew = 0.0
        self.pinned, self.paused, self.suspend = "", False, False
        self.policy["windows"] = []
        self.operator.crash_rate = self.operator.stale_rate = 0.0
        for quality in self.cluster.qualities.values():
            quality.crashes = 0.0
        self.cluster.apply_model(self.spec())
        for verb in ("Resume", "Unpin"):
            self.cluster.create_action(verb)
        for _ in range(QUIET_SECONDS):
            self._draw_qualities()
            self.people.decide_fails()
            self.second()

    def second(self) -> None:
        """The operator, then time."""
        self.operator.run()
        down = self.cluster.now < self.operator.down_until
        self.people.check(down=down)
        self.invariants.check_answers(idle=down or self.cluster.route_is_taken or not self.people.steady)
        self.waits.count(down=down)
        self.cluster.tick()

    def check_settled(self) -> None:
        """Who serves what at the end."""
        cluster = self.cluster
        open_ones = {
            v.name: (v.status.phase, v.status.reason)
            for v in cluster.versions.values()
            if v.status.phase not in SETTLED
        }
        assert not open_ones, f"9: still waiting: {open_ones}"
        assert all(action.status.phase != "Pending" for action in cluster.actions.values())
        stable = [v for v in cluster.versions.values() if v.status.phase == "Stable"]
        assert len(stable) <= 1
        if stable:
            assert cluster.weight(stable[0].name) == 100
            assert cluster.ready(stable[0].name) >= 1
            assert cluster.stable_service == stable[0].name
            assert all(view.has_service for view in cluster.serving.values())
            assert cluster.model is not None
            assert cluster.model.status.stable == stable[0].name
        loaded = {v.name for v in cluster.versions.values() if v.status.phase in ("Stable", "Previous")}
        # without a stable version nobody could take the users of one that ended while a person had the route
        answering = set() if stable else {name for name in cluster.serving if cluster.weight(name)}
        assert set(cluster.serving) <= loaded | answering, "what is not needed is gone"

    def _happen(self) -> None:
        """One thing, most of them rare."""
        happenings = {
            self._change_model: 6, self._change_policy: 2, self._change_gates: 3, self._start_outage: 4, self._act: 6,
            self.people.annotate: 1, self.people.insist: 2, self._kill_pod: 2, self._blink: 3, self._lower_by_hand: 1, self._pause: 1, self._pin_in_spec: 1,
            self._suspend: 1, self._recreate: 1, self._restart: 3, self._hide_pods: 3, self._break_spec: 2,
            self._scale: 4 if self.autoscaled else 0, self._change_scaling: 1, self._take_route: 3, self._delete_stable: 2, self._jump: 2,
            self._delete_services: 1,
        }  # fmt: skip
        self.random.choices(list(happenings), weights=list(happenings.values()))[0]()

    def _later(self, undo: Callable[[], None]) -> None:
        """What was switched on is switched off again after some seconds."""
        self.undo.append((self.cluster.now + self.random.choice([3, 20, 60]), undo))

    def _undo(self) -> None:
        due = [undo for at, undo in self.undo if at <= self.cluster.now]
        self.undo = [(at, undo) for at, undo in self.undo if at > self.cluster.now]
        for undo in due:
            undo()

    def _draw_policy(self) -> dict[str, object]:
        draw = self.random.choice
        return {
            "onUndecided": draw(["Advance", "Hold", "Rollback"]), "onUndecidedFinal": draw(["Advance", "Hold", "Rollback"]),
            "onNoData": draw(["Hold", "Rollback", "Continue"]), "onMetricsUnavailable": draw(["Hold", "Continue"]),
            "onHoldLimit": draw(["Rollback", "Advance"]), "holdLimitSeconds": 40, "bakeSeconds": draw([0, 20]),
            "rollback": {"mode": draw(["Auto", "Auto", "Manual", "Disabled"])}, "windows": draw([[], [], *WINDOWS]),
            "previous": {"replicas": draw(["Full", "Minimum"]), "seconds": 60},
            "steps": [
                {"name": "first", "weight": 10, "minSamples": 5, "maxSeconds": 15},
                {"name": "half", "weight": 50, "minSamples": 5, "maxSeconds": 15, "approval": draw(["NotRequired", "Required"])},
                {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 15},
            ],
        }  # fmt: skip

    def _draw_qualities(self) -> None:
        for name in self.cluster.versions:
            if name not in self.cluster.qualities:
                self.cluster.qualities[name] = self._draw_quality()

    def _draw_quality(self) -> Quality:
        bad = self.random.choice([
            Quality(), Quality(), Quality(), Quality(bad=0.9), Quality(slow=0.5), Quality(fallback=0.6), Quality(bad=0.03),
            Quality(never_ready=True), Quality(crashes=0.03), Quality(gate="Fail"), Quality(gate="Undecided"),
            Quality(failure=self.random.choice(["oom", "killed", "diverged", "data", "deadline", "silent"])),
        ])  # fmt: skip
        return bad if len(self.cluster.qualities) else Quality()

    def _change_model(self) -> None:
        self.dims = self.random.choice([dims for dims in (8, 16, 24, 40, 48) if dims != self.dims])
        self.cluster.apply_model(self.spec())

    def _change_policy(self) -> None:
        self.policy = self._draw_policy()
        self.cluster.apply_model(self.spec())

    def _change_gates(self) -> None:
        self.gates = self.random.randint(1, 3)
        self.cluster.apply_model(self.spec())
        if self.random.random() < 0.5:
            self.cluster.lost_data = True
            self._later(self._find_data)

    def _find_data(self) -> None:
        self.cluster.lost_data = False

    def _start_outage(self) -> None:
        if not self.cluster.outage:
            self._set_outage(True)
            self._later(lambda: self._set_outage(False))

    def _set_outage(self, value: bool) -> None:
        self.cluster.outage = value
        self.invariants.outage_since = self.cluster.now if value else None

    def _restart(self) -> None:
        self.operator.restart()

    def _stay_away(self) -> None:
        """No operator for longer than every limit."""
        self.operator.restart()
        self.operator.down_until = self.cluster.now + UNWATCHED_SECONDS

    def _set_clock_forward(self) -> None:
        """The clock says that more than every limit has passed."""
        self.cluster.skew += UNWATCHED_SECONDS

    def _hide_pods(self) -> None:
        """A network policy forbids the scrapes of one version."""
        names = [v.name for v in self.cluster.versions.values() if v.status.phase not in SETTLED]
        version = self.random.choice(names) if names else self.people.some_version()
        if version and version not in self.cluster.blind:
            self.cluster.blind.add(version)
            self.invariants.blind_since[version] = self.cluster.now
            self._later(self._see_again)

    def _see_again(self) -> None:
        self.cluster.blind.clear()
        self.invariants.blind_since.clear()

    def _break_spec(self) -> None:
        if self.cluster.model is not None:
            self.cluster.break_spec()
            self._later(lambda: self._set("paused", self.paused))

    def _pause(self) -> None:
        self._set("paused", True)
        self._later(lambda: self._set("paused", False))

    def _suspend(self) -> None:
        self._set("suspend", True)
        self._later(lambda: self._set("suspend", False))

    def _pin_in_spec(self) -> None:
        self._set("pinned", self.people.some_version())
        self._later(lambda: self._set("pinned", ""))

    def _set(self, name: str, value: object) -> None:
        setattr(self, name, value)
        if self.cluster.model is not None:
            self.cluster.apply_model(self.spec())

    def _recreate(self) -> None:
        if self.random.random() < 0.3:
            self.cluster.delete_model()
            self.undo = []
            for _ in range(self.random.choice([1, 3, 30])):
                self.operator.run()
                self.cluster.tick()
            self.cluster.apply_model(self.spec())

    def _size(self) -> dict[str, object]:
        if self.autoscaled:
            return {"replicas": None, "autoscaling": {"minReplicas": 2, "maxReplicas": 5}}
        return {"replicas": 2}

    def _scale(self) -> None:
        for name in sorted(self.cluster.serving):
            self.cluster.autoscale(name)

    def _change_scaling(self) -> None:
        self._set("autoscaled", not self.autoscaled)

    def _take_route(self) -> None:
        """A person takes the route, may change its weights, and gives it back."""
        route = self.cluster.route
        if route is None or self.cluster.route_is_taken:
            return
        self.cluster.take_route(by_spec=self.random.random() < 0.5)
        self.invariants.by_hand = True
        if self.random.random() < 0.6:
            weight = self.random.choice([0, 0, 5, 100])
            if route.intent.candidate and weight < route.intent.weight:
                self.invariants.lower(route.intent.candidate)
            self.cluster.weigh_by_hand(weight)
        self._later(self._give_back)

    def _give_back(self) -> None:
        self.cluster.give_route_back()

    def _delete_stable(self) -> None:
        """Its pods alone, or the record with all that it owns; perhaps whatever its users could go to as well."""
        loaded = {
            v.status.phase: v.name for v in self.cluster.versions.values() if v.status.phase in ("Stable", "Previous")
        }
        records = self.random.choice([(), ("Stable",), ("Stable", "Previous")])
        for phase in records or ("Stable",):
            if (name := loaded.get(phase)) is not None and not records:
                self.cluster.delete_serving(name)
            elif name is not None:
                self.invariants.deleted.add(name)
                self.cluster.delete_version(name)

    def _delete_services(self) -> None:
        """Nobody reaches its pods until they are made again."""
        self.cluster.delete_services(self.people.some_version())

    def _jump(self) -> None:
        """The clock of the operator's node is set."""
        self.cluster.skew = self.random.choice([-200.0, -30.0, 0.0, 30.0, 200.0])

    def _kill_pod(self) -> None:
        if self.cluster.pods:
            name = self.random.choice(sorted(self.cluster.pods))
            self.cluster.kill_pod(name, self.random.choice([1.0, 9.0]))

    def _blink(self) -> None:
        if self.cluster.pods:
            self.cluster.blink(self.random.choice(sorted(self.cluster.pods)), self.random.choice([2, 10]))

    def _lower_by_hand(self) -> None:
        if self.cluster.route is not None and self.cluster.route.intent.weight > 0:
            self.invariants.lower(self.cluster.route.intent.candidate)
        self.cluster.lower_by_hand()

    def _act(self) -> None:
        self.people.act(SETTLED)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_invariants_hold_after_every_act(seed: int) -> None:
    life = Life(seed)
    life.busy()
    life.quiet()
    life.check_settled()
