"""Judge an exported artifact on a snapshot's test part, beside popularity and, where one serves, the stable version."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_api.artifact import ArtifactManifest
from recsys_api.report import ColdItems
from recsys_api.run_spec import MetricValue
from recsys_api.spec.evaluation import Baselines
from recsys_trainer.artifact.served import Served
from recsys_trainer.baselines.build import build_baselines
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.data.split import TRAIN
from recsys_trainer.evaluation.beyond import LENGTH
from recsys_trainer.evaluation.bootstrap import with_intervals
from recsys_trainer.evaluation.metrics import CUTOFFS, metric_values
from recsys_trainer.evaluation.newcomers import judge_newcomers, newcomer_questions
from recsys_trainer.evaluation.questions import TestPart, build_questions, build_test_part
from recsys_trainer.evaluation.ranking import Questions, Ranks, Scorer, rank, survey
from recsys_trainer.evaluation.sampled import Sampled, draw_probes

Floats = npt.NDArray[np.float64]
Values = dict[str, Floats]
"""{"ndcg@10": float64 [N], …}"""
LISTED = ("model", "popularity")
"""Whose lists are looked at beside their hits."""


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
    user_N: npt.NDArray[np.int64]
    """Snapshot rows of the users."""

    def differences(self, users_N: npt.NDArray[np.bool_], seed: int) -> dict[str, tuple[float, float, MetricValue]]:
        """(stable's mean, candidate's mean, candidate - stable with its paired interval) of some of the users."""
        stable, candidate = (
            {name: of_user[users_N] for name, of_user in values.items()} for values in (self.stable, self.candidate)
        )
        found = with_intervals({name: candidate[name] - stable[name] for name in candidate}, seed)
        return {name: (float(stable[name].mean()), float(candidate[name].mean()), each) for name, each in found.items()}


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
    user_row_N: npt.NDArray[np.int64]
    """Artifact row of each test user, -1 for unknown ones."""
    lists: dict[str, npt.NDArray[np.int32]]
    """First items of every test user, by `model` and `popularity`, artifact rows [N, L]."""
    sampled: Sampled
    """The protocol of the NCF paper, warm users."""
    baselines: dict[str, Values] = field(default_factory=dict)
    """The same users, by baseline beside popularity."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Baselines that could not be made, and why."""
    newcomers: dict[str, Values] = field(default_factory=dict)
    """By `model` and baseline: users whom the artifact does not know, but who have a history since its training."""
    known_items: Values = field(default_factory=dict)
    """Warm users who did something with trained items, what they did with others left out."""
    cold_items: ColdItems = field(default_factory=ColdItems)
    last_part: int = TRAIN
    """Parts 0..last_part of the snapshot trained the candidate."""

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
    max_users: int | None = None,
    seed: int = 0,
) -> Evaluated:
    """Score the candidate, popularity, and the stable artifact where there is one.

    Args:
        target: "All" or "First" test interaction of each user.
        last_part: parts 0..last_part of the snapshot trained the candidate.
        cutoffs: K of the metrics.
        baselines: their settings.
        max_users: most test users who are asked; None: everybody.
        seed: of those users and of the sampled negatives.

    Raises:
        DivergedError: a score is not finite.
    """
    test = build_test_part(snapshot, target, last_part).drawn(max_users, seed, snapshot)
    served = candidate.served
    questions = build_questions(snapshot, test, served, last_part)
    built = build_baselines(served, snapshot, last_part, baselines or Baselines())
    paired = None
    if stable:
        after = max(candidate.manifest.train_cutoff_timestamp, stable.manifest.train_cutoff_timestamp)
        common = build_test_part(snapshot, target, last_part, after).drawn(max_users, seed, snapshot)
        paired = compare(snapshot, candidate, stable, common, last_part, cutoffs)
    item_rows = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    plain: dict[str, Scorer] = {"popularity": PopularityScorer(served), **built.scorers}
    everything: dict[str, Scorer] = {"model": served, **plain}
    plain.pop("ratingBias", None)  # it has no bias of theirs
    probes = draw_probes(snapshot, test, item_rows, served.items, seed)
    found = {
        name: survey(questions, scorer, served.device, lists=LENGTH * (name in LISTED), probes=probes.pairs)
        for name, scorer in everything.items()
    }
    values = {name: metric_values(each.ranks, cutoffs) for name, each in found.items()}
    return Evaluated(
        test=test,
        candidate=values["model"],
        popularity=values["popularity"],
        paired=paired,
        items=served.items,
        baselines={name: values[name] for name in built.scorers},
        left_out=built.left_out,
        newcomers=judge_newcomers(newcomer_questions(snapshot, test, served, last_part), served, plain, cutoffs),
        known_items=_of_known_items(questions, found["model"].ranks, test.warm_N, cutoffs),
        cold_items=_cold_items(snapshot, test, item_rows),
        last_part=last_part,
        user_row_N=questions.user_N,
        lists={name: found[name].top_NL for name in LISTED},
        sampled=Sampled({name: probes.values(each.probe_P) for name, each in found.items()}, probes.left_out),
    )


def _of_known_items(
    questions: Questions, ranks: Ranks, warm_N: npt.NDArray[np.bool_], cutoffs: Sequence[int]
) -> Values:
    """The metrics of warm users over the items that can be returned at all."""
    total_N = np.bincount(questions.wanted.user_R, minlength=len(warm_N))
    values = metric_values(replace(ranks, total_N=total_N), cutoffs)
    return {name: of_user[warm_N & (total_N > 0)] for name, of_user in values.items()}


def _cold_items(snapshot: Snapshot, test: TestPart, item_rows: npt.NDArray[np.int64]) -> ColdItems:
    items = snapshot.item_I[test.chosen_T]
    cold = items[item_rows[items] < 0]
    return ColdItems(items=len(np.unique(cold)), interactions=len(cold), of_interactions=len(items))


def compare(
    snapshot: Snapshot,
    candidate: LoadedArtifact,
    stable: LoadedArtifact,
    test: TestPart,
    last_part: int,
    cutoffs: Sequence[int],
) -> Paired:
    """Both on test interactions that neither has trained on, both with this snapshot's masks."""
    of_candidate, of_stable = (
        metric_values(rank(build_questions(snapshot, test, served, last_part), served, served.device), cutoffs)
        for served in (candidate.served, stable.served)
    )
    return Paired(of_candidate, of_stable, test.warm_N, test.user_N)


def wanted_cutoffs(gate_cutoffs: Sequence[int]) -> tuple[int, ...]:
    """The published cut-offs and those that gates ask for."""
    return tuple(sorted({*CUTOFFS, *gate_cutoffs}))
