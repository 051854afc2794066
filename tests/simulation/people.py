"""People: actions and annotations, one after another, and what may be expected of them (11)."""

from dataclasses import dataclass, field
from random import Random

from tests.simulation.cluster import Cluster

from recsys_operator.core.rollout_state import read_state

VERBS = {
    "Rollback": 3, "Abort": 1, "Promote": 4, "Approve": 4, "Retry": 3, "Pause": 1, "Resume": 2, "Pin": 1, "Unpin": 2,
    "Retrain": 3,
}  # fmt: skip
ANNOTATED = ("Rollback", "Abort", "Approve", "Nonsense")
NEEDS_PERSON = "RollbackNeedsPerson"
ASKED = {NEEDS_PERSON: ("Promote", "Rollback"), "NothingToFallBackTo": ("Promote",)}


@dataclass
class People:
    """What they ask for."""

    cluster: Cluster
    random: Random
    promoted: set[str]
    """Versions that a Promote named."""
    asked: dict[str, str]
    """Rollback that names no version -> the canary of that moment."""
    steady: bool
    """Neither crashes nor old caches: what is asked for happens in the same second."""
    rollbacks: dict[str, float] = field(default_factory=dict)
    annotated: tuple[str, set[str], int] | None = None
    """A value with Rollback, versions that were rolled back before it, events before it."""
    plan: list[tuple[float, str]] = field(default_factory=list)
    """Times and values of annotations to come."""
    missed: bool = False
    """The operator was down since the last annotation."""
    overruled: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Promote of a version that waits for a person -> (version, segment)."""

    def act(self, settled: frozenset[str]) -> None:
        """kubectl create."""
        verb = self.random.choices(list(VERBS), weights=list(VERBS.values()))[0]
        version = self.some_version() if verb in ("Retry", "Pin") else ""
        if verb == "Promote":
            on_their_way = [v.name for v in self.cluster.versions.values() if v.status.phase not in settled]
            version = self.random.choice(on_their_way) if on_their_way else self.some_version()
        self._create(verb, version)

    def insist(self) -> None:
        """A rollback, something else, the same words again."""
        between = self.random.choice(["Resume", "Approve", ""])
        self.plan = [
            (self.cluster.now + after, value) for after, value in ((0, "Rollback"), (5, between), (10, "Rollback"))
        ]

    def go_on(self) -> None:
        """What they had in mind for this second."""
        due = [value for at, value in self.plan if at <= self.cluster.now]
        self.plan = self.plan[len(due) :]
        for value in due:
            self._annotate(value)

    def annotate(self) -> None:
        """kubectl annotate."""
        self._annotate(f"{self.random.choice(ANNOTATED)}#{self.random.random()}")

    def _annotate(self, value: str) -> None:
        """Empty: the annotation goes."""
        if self.cluster.model is None:
            return
        changed = value != self.cluster.model.annotations.get("recsys.dev/action")
        if self.missed and value == self.cluster.model.status.last_action:
            # values that came and went while nobody looked leave no trace: this one is the last that was seen
            changed = False
        self.missed = False
        self.cluster.annotate(value)
        if changed and value.startswith("Rollback"):
            self.annotated = (value, self._rolled_back(), len(self.cluster.events))

    def decide_fails(self) -> None:
        """Who is asked decides."""
        for version in list(self.cluster.versions.values()):
            if version.status.reason in ASKED and self.random.random() < 0.2:
                self._create(self.random.choice(ASKED[version.status.reason]), version.name)

    def some_version(self) -> str:
        """Any."""
        return self.random.choice(sorted(self.cluster.versions)) if self.cluster.versions else ""

    def check(self, *, down: bool) -> None:
        """After a second of the operator."""
        for uid, at in list(self.rollbacks.items()):
            action = self.cluster.actions.get(uid)
            if action is None or action.status.phase != "Pending":
                del self.rollbacks[uid]
            elif self.steady and not down:
                assert self.cluster.now - at < 5, "11: a rollback was asked for and did not happen"
        if down:
            self.annotated, self.missed = None, True
        self._check_annotation()
        self._check_promotes()

    def _create(self, verb: str, version: str) -> None:
        if verb == "Promote":
            self.promoted.add(version)
        uid = self.cluster.create_action(verb, version or None)
        if verb == "Rollback":
            self.rollbacks[uid] = self.cluster.now
            self.asked |= {} if version else {uid: self._canary()}
        known = self.cluster.versions.get(version)
        if verb == "Promote" and known is not None and known.status.reason == NEEDS_PERSON:
            self.overruled[uid] = (version, self._segment(version))

    def _check_annotation(self) -> None:
        if self.annotated is None:
            return
        (value, before, events), self.annotated = self.annotated, None
        if self.steady and self.cluster.model is not None:
            refused = any(event.reason == "RollbackRefused" for event in self.cluster.events[events:])
            assert refused or self._rolled_back() - before, f"11: {value} was asked for and did not happen"

    def _check_promotes(self) -> None:
        """Overruled at once, or refused."""
        for uid, (name, segment) in list(self.overruled.items()):
            action, version = self.cluster.actions.get(uid), self.cluster.versions.get(name)
            del self.overruled[uid]
            if not self.steady or action is None or version is None or action.status.phase != "Done":
                continue
            waits = version.status.reason == NEEDS_PERSON and self._segment(name) == segment
            assert not waits, f"a Promote of {name} is Done and did nothing"

    def _canary(self) -> str:
        rolling = (v.name for v in self.cluster.versions.values() if v.status.phase in ("Canary", "Baking"))
        return next(rolling, "")

    def _segment(self, name: str) -> int:
        version = self.cluster.versions.get(name)
        state = read_state(version.status) if version is not None else None
        return state.segment if state is not None else 0

    def _rolled_back(self) -> set[str]:
        return {version.name for version in self.cluster.versions.values() if version.status.quarantined}
