"""What only tells is written when a model has come to rest: fewer writes, and the same end."""

from collections import Counter
from random import Random

import pytest
from tests.simulation.cluster import Cluster
from tests.simulation.invariants import Invariants
from tests.simulation.operators import Operator
from tests.unit.core.factories import build_spec

from recsys_operator.core.decision import Act
from recsys_operator.core.world import World

SECONDS = 400


class Counting(Cluster):
    """Counts its acts."""

    def __init__(self) -> None:
        super().__init__(Random(1), rate=60.0)
        self.counts: Counter[str] = Counter()

    def execute(self, act: Act, world: World) -> None:
        """One more of its kind."""
        self.counts[type(act).__name__] += 1
        super().execute(act, world)


def two_rollouts(*, patient: bool) -> Counting:
    """A first version, then a second one that goes through its canary to all users."""
    cluster = Counting()
    operator = Operator(cluster, Invariants(cluster), Random(2), patient=patient)
    for changes in ({}, {"model": {"embeddingDim": 8}}):
        cluster.apply_model(build_spec(**changes))
        for _ in range(SECONDS):
            operator.run()
            cluster.tick()
    return cluster


@pytest.fixture(scope="module")
def lives() -> tuple[Counting, Counting]:
    """(every pass tells, what only tells waits)."""
    return two_rollouts(patient=False), two_rollouts(patient=True)


def test_fewer_statuses_are_written_and_everything_else_as_often(lives: tuple[Counting, Counting]) -> None:
    eager, patient = (cluster.counts for cluster in lives)
    assert patient["RecordModel"] <= 0.65 * eager["RecordModel"]
    assert patient - Counter(RecordModel=patient["RecordModel"]) == eager - Counter(RecordModel=eager["RecordModel"])


def test_the_end_is_the_same(lives: tuple[Counting, Counting]) -> None:
    ends = []
    for cluster in lives:
        assert cluster.model is not None
        status = cluster.model.status
        assert status.rollout is not None
        # the range of users is drawn from the uid, and uids are counted
        rollout = status.rollout.model_copy(update={"bucket_offset": 0})
        phases = {version.name: version.status.phase for version in cluster.versions.values()}
        ends.append((status.model_copy(update={"rollout": rollout}), phases))
    assert ends[0] == ends[1]
    assert sorted(ends[0][1].values()) == ["Previous", "Stable"]
