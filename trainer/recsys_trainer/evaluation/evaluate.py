"""Judge an exported artifact on a snapshot's test part, beside popularity and, where one serves, the stable version."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_api.artifact import ArtifactManifest
from recsys_api.recommender_model import Baselines
from recsys_api.run_spec import MetricValue
from recsys_trainer.artifact.served import Served
from recsys_trainer.baselines.build import build_baselines
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.bootstrap import with_intervals
from recsys_trainer.evaluation.metrics import CUTOFFS, metric_values
from recsys_trainer.evaluation.questions import TestPart, build_questions, build_test_part
from recsys_trainer.evaluation.ranking import rank

Floats = npt.NDArray[np.float64]
Values = dict[str, Floats]
"""{"ndcg@10": float64 [N], …}"""


@dataclass(frozen=True)
class LoadedArtifact:
    """An artifact and its manifest."""

    served: Served
    manifest: ArtifactManifest


@dataclass(frozen=True)
class Paired:
    """Candidate and stable on the same users and the same interactions."""

    candidate: Values
    stable: Values
    warm_N: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluated:
    """Every user's metrics; intervals and gates are made of them."""

    test: TestPart
    candidate: Values
    """All test users, unknown ones answered by popularity."""
    popularity: Values
    """The same users."""
    paired: Paired | None
    """None where nothing serves, or its artifact is gone."""
    items: int
    baselines: dict[str, Values] = field(default_factory=dict)
    """The same users, by baseline beside popularity."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Baselines that could not be made, and why."""

    def block(self, values: Values, users_N: npt.NDArray[np.bool_], seed: int) -> dict[str, MetricValue]:
        """Metrics with intervals of a population."""
        return with_intervals({name: of_user[users_N] for name, of_user in values.items()}, seed)


class PopularityScorer:
    """The baseline: every item by its training interactions, the same for everybody."""

    def __init__(self, served: Served) -> None:
        counts = np.bincount(served.indices, minlength=served.items)
        self.items = served.items
        self._score_I = torch.from_numpy(counts.astype(np.float32)).to(served.device)

    def scores(self, user_B: Tensor) -> Tensor:
        """Counts [B, I]."""
        return self._score_I.expand(len(user_B), -1)


def evaluate_artifact(
    snapshot: Snapshot,
    candidate: LoadedArtifact,
    stable: LoadedArtifact | None,
    *,
    target: str,
    last_part: int,
    cutoffs: Sequence[int] = CUTOFFS,
    baselines: Baselines | None = None,
) -> Evaluated:
    """Score the candidate, popularity, and the stable artifact where there is one.

    Args:
        target: "All" or "First" test interaction of each user.
        last_part: parts 0..last_part of the snapshot trained the candidate.
        cutoffs: K of the metrics.
        baselines: their settings.

    Raises:
        DivergedError: a score is not finite.
    """
    test = build_test_part(snapshot, target, last_part)
    served = candidate.served
    questions = build_questions(snapshot, test, served, last_part)
    paired = compare(snapshot, candidate, stable, target, last_part, cutoffs) if stable else None
    built = build_baselines(served, snapshot, last_part, baselines or Baselines())
    return Evaluated(
        test=test,
        candidate=metric_values(rank(questions, served, served.device), cutoffs),
        popularity=metric_values(rank(questions, PopularityScorer(served), served.device), cutoffs),
        paired=paired,
        items=served.items,
        baselines={
            name: metric_values(rank(questions, scorer, served.device), cutoffs)
            for name, scorer in built.scorers.items()
        },
        left_out=built.left_out,
    )


def compare(
    snapshot: Snapshot,
    candidate: LoadedArtifact,
    stable: LoadedArtifact,
    target: str,
    last_part: int,
    cutoffs: Sequence[int],
) -> Paired:
    """Both on the test interactions that neither has trained on, both with this snapshot's masks."""
    after = max(candidate.manifest.train_cutoff_timestamp, stable.manifest.train_cutoff_timestamp)
    test = build_test_part(snapshot, target, last_part, after)
    of_candidate, of_stable = (
        metric_values(rank(build_questions(snapshot, test, served, last_part), served, served.device), cutoffs)
        for served in (candidate.served, stable.served)
    )
    return Paired(of_candidate, of_stable, test.warm_N)


def wanted_cutoffs(gate_cutoffs: Sequence[int]) -> tuple[int, ...]:
    """The published cut-offs and those that gates ask for."""
    return tuple(sorted({*CUTOFFS, *gate_cutoffs}))
