"""The parts of the report beside the metrics."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.report import (
    CalibrationReport,
    ExposureShare,
    Figure,
    Metrics,
    PopularityPoint,
    RatingUncertainty,
    UserGroups,
)
from recsys_trainer.artifact.served import Rows, Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.beyond import beyond_accuracy
from recsys_trainer.evaluation.calibration import calibration
from recsys_trainer.evaluation.evaluate import Evaluated
from recsys_trainer.evaluation.groups import by_item_group, by_user_group
from recsys_trainer.evaluation.ratings import newcomer_rating_errors, rating_errors
from recsys_trainer.evaluation.sampled import protocol_report
from recsys_trainer.evaluation.uncertainty import rating_uncertainty
from recsys_trainer.models.registry import FAMILIES

POINTS = 21


@dataclass(frozen=True)
class Details:
    """What report.json says of an artifact beside its metrics."""

    beyond: dict[str, dict[str, Figure]]
    calibration: CalibrationReport
    user_groups: UserGroups
    item_groups: dict[str, ExposureShare]
    ratings: Metrics
    ratings_baselines: dict[str, Metrics]
    newcomer_ratings: dict[str, Metrics]
    uncertainty: RatingUncertainty | None
    unknown_users: Literal["Popularity", "FoldIn"]
    protocol: NcfProtocolReport
    curve: tuple[PopularityPoint, ...]


def build_details(spec: RecommenderModelSpec, snapshot: Snapshot, served: Served, evaluated: Evaluated) -> Details:
    """All of them, for warm users.

    Raises:
        DivergedError: a score is not finite.
    """
    seed, warm = spec.data.split.judging_seed, evaluated.user_row_N >= 0
    test, last_part = evaluated.test, evaluated.last_part
    errors = rating_errors(served, snapshot, test, last_part, seed)
    rated = FAMILIES[spec.model.architecture].fold_in_rated(spec.model)
    lists = {name: top[warm] for name, top in evaluated.lists.items()}
    return Details(
        beyond={
            name: beyond_accuracy(top, evaluated.user_row_N[warm], served.indptr, served.indices, served.items, seed)
            for name, top in lists.items()
        },
        calibration=calibration(spec, snapshot, served, seed),
        user_groups=_user_groups(snapshot, evaluated, seed),
        item_groups=_item_groups(snapshot, served, lists["model"]),
        ratings=errors.pop("model", {}),
        ratings_baselines=errors,
        newcomer_ratings=newcomer_rating_errors(served, snapshot, test, last_part, rated, seed),
        uncertainty=rating_uncertainty(spec.model, served, snapshot, test, seed),
        unknown_users="Popularity" if served.fold_in is None else "FoldIn",
        protocol=protocol_report(evaluated.sampled, evaluated.left_out, seed),
        curve=popularity_curve(lists["model"][:, :10], served),
    )


def _user_groups(snapshot: Snapshot, evaluated: Evaluated, seed: int) -> UserGroups:
    if snapshot.user_groups is None:
        return UserGroups()
    warm = evaluated.test.warm_N
    values = {name: each[warm] for name, each in evaluated.candidate.items()}
    return by_user_group(snapshot.user_groups, evaluated.test.user_N[warm], values, seed)


def _item_groups(snapshot: Snapshot, served: Served, top_NL: Rows) -> dict[str, ExposureShare]:
    if snapshot.item_groups is None or not len(top_NL):
        return {}
    return by_item_group(snapshot.item_groups, rows_of(served.item_ids, snapshot.items), top_NL, served.indices)


def popularity_curve(top_NK: Rows, served: Served) -> tuple[PopularityPoint, ...]:
    """Cumulated shares, the most popular items first."""
    trained = np.bincount(served.indices, minlength=served.items)
    shown = np.bincount(top_NK[top_NK >= 0], minlength=served.items)
    if not shown.any():
        return ()
    order = np.lexsort((np.arange(served.items), -trained))
    at = np.round(np.linspace(0, served.items, POINTS)).astype(int)
    shares = [np.concatenate(([0], np.cumsum(each[order])))[at] / each.sum() for each in (trained, shown)]
    return tuple(
        PopularityPoint(items=float(rows / served.items), training=float(training), lists=float(lists))
        for rows, training, lists in zip(at, *shares, strict=True)
    )
