"""ML-100K cut by time, as a manifest's Temporal split does: the newest tenth judges, the tenth before chooses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.data import Data, Split
from recsys_trainer.again import prepare_in_memory
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.data.split import TRAIN, VALIDATION
from recsys_trainer.evaluation.ranking import Questions
from recsys_trainer.training_data import Positives, build_positives, build_validation, inverse

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ratings:
    """Ratings of pairs of trained rows."""

    user_R: Rows
    item_R: Rows
    rating_R: npt.NDArray[np.float32]


def data_of(inter: Path) -> Data:
    """`spec.data` for a RecBole file of ML-100K."""
    return Data.model_validate({
        "source": {"uri": f"file://{inter.resolve()}", "format": "RecBole"},
        "columns": {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rating": "rating"},
        "split": {"strategy": "Temporal", "testFraction": 0.1, "validationFraction": 0.1},
    })  # fmt: skip


def snapshot_of(inter: Path) -> Snapshot:
    """What `prepare` would leave."""
    neither = {"artifacts": {"uri": "file:///nowhere"}, "rollout": {"gateway": {"name": "none"}}}
    return prepare_in_memory(RecommenderModelSpec.model_validate({"data": data_of(inter), **neither}))


def searching(inter: Path) -> tuple[Positives, Questions, Ratings]:
    """(what trains, what chooses rankers, what chooses predictors of ratings)."""
    snapshot = snapshot_of(inter)
    positives = build_positives(snapshot, TRAIN)
    questions = build_validation(snapshot, positives, Split())
    assert questions is not None, "many users are in both parts"
    return positives, questions, ratings_of(snapshot, positives, VALIDATION)


def ratings_of(snapshot: Snapshot, positives: Positives, part: int) -> Ratings:
    """Those of a part whose user and item were trained."""
    assert snapshot.rating_I is not None, "the file has them"
    chosen = snapshot.part_I == part
    user = inverse(positives.user_of, len(snapshot.users))[snapshot.user_I[chosen]]
    item = inverse(positives.item_of, len(snapshot.items))[snapshot.item_I[chosen]]
    known = (user >= 0) & (item >= 0)
    return Ratings(user[known], item[known], snapshot.rating_I[chosen][known])
