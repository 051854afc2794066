"""report.json from what was evaluated, and the short form for the termination message."""

import numpy as np
import numpy.typing as npt

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.report import (
    EvaluationReport,
    Metrics,
    MetricsBlock,
    RetrievalReport,
    SampledReport,
    StableComparison,
    UnknownUsers,
)
from recsys_api.run_spec import EvaluateResult, GateResult, MetricValue
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.bootstrap import RESAMPLES, with_intervals
from recsys_trainer.evaluation.details import Details
from recsys_trainer.evaluation.evaluate import Evaluated
from recsys_trainer.summary import TrainingSummary

IN_STATUS = ("ndcg@10", "recall@20", "hr@10")


def build_report(
    spec: RecommenderModelSpec,
    snapshot: Snapshot,
    summary: TrainingSummary,
    evaluated: Evaluated,
    details: Details,
    stable: StableComparison,
    gates: tuple[GateResult, ...],
    seconds: float,
) -> EvaluationReport:
    """The published report. The served path ranks the whole catalogue, so `fullRanking` says the same."""
    seed = spec.data.split.judging_seed
    everybody = np.ones_like(evaluated.test.warm_N)
    warm, warm_popularity = both_blocks(evaluated, evaluated.test.warm_N, seed)
    all_users, all_popularity = both_blocks(evaluated, everybody, seed)
    return EvaluationReport(
        metrics=warm,
        metrics_all_users=all_users,
        full_ranking=MetricsBlock(metrics=warm),
        cold=MetricsBlock(metrics=evaluated.block(evaluated.candidate, ~evaluated.test.warm_N, seed)),
        baselines={"popularity": warm_popularity, **others(evaluated, evaluated.test.warm_N, seed)},
        baselines_all_users={"popularity": all_popularity, **others(evaluated, everybody, seed)},
        baselines_left_out=evaluated.left_out,
        gates=gates,
        stable=stable,
        retrieval=RetrievalReport.model_validate({"candidates": evaluated.items, "overlap@50": 1.0}),
        data=_data(spec, snapshot, evaluated),
        model={
            **spec.model.to_dict(),
            "users": summary.users,
            "items": summary.items,
            "parameters": summary.parameters,
        },
        training={**spec.training.to_dict(), **summary.for_report()},
        beyond_accuracy=details.beyond,
        calibration=details.calibration,
        user_groups=details.user_groups,
        item_groups=details.item_groups,
        ratings=details.ratings,
        ratings_baselines=details.ratings_baselines,
        rating_uncertainty=details.uncertainty,
        unknown_users=_unknown_users(evaluated, details, seed),
        cold_items=evaluated.cold_items.model_copy(
            update={"metrics_without": with_intervals(evaluated.known_items, seed)}
        ),
        sampled_negatives=SampledReport(
            metrics=details.protocol.metrics, popularity=details.protocol.baselines["popularity"]
        ),
        popularity_curve=details.curve,
        bootstrap_seed=seed,
        bootstrap_resamples=RESAMPLES,
        seconds=summary.seconds,
        samples_per_second=summary.samples_per_second,
        evaluation_seconds=seconds,
    )


def both_blocks(evaluated: Evaluated, users_N: npt.NDArray[np.bool_], seed: int) -> tuple[Metrics, Metrics]:
    """Blocks of the model and of popularity from the same draws of users."""
    names = list(evaluated.candidate)
    both = {f"m {name}": evaluated.candidate[name] for name in names}
    both |= {f"p {name}": evaluated.popularity[name] for name in names}
    found = evaluated.block(both, users_N, seed)
    model, popularity = ({name: found[f"{key} {name}"] for name in names if found} for key in "mp")
    return model, popularity


def others(evaluated: Evaluated, users_N: npt.NDArray[np.bool_], seed: int) -> dict[str, Metrics]:
    """Blocks of the baselines beside popularity."""
    return {name: evaluated.block(values, users_N, seed) for name, values in evaluated.baselines.items()}


def _unknown_users(evaluated: Evaluated, details: Details, seed: int) -> UnknownUsers:
    blocks = {name: with_intervals(values, seed) for name, values in evaluated.newcomers.items()}
    return UnknownUsers(
        behaviour=details.unknown_users,
        metrics=blocks.pop("model", {}),
        baselines=blocks,
        ratings=details.newcomer_ratings.get("model", {}),
        ratings_baselines={name: each for name, each in details.newcomer_ratings.items() if name != "model"},
    )


def _data(spec: RecommenderModelSpec, snapshot: Snapshot, evaluated: Evaluated) -> dict[str, object]:
    users = len(evaluated.test.warm_N)
    warm = int(evaluated.test.warm_N.sum())
    counts = {"testUsers": users, "ofTestUsers": evaluated.test.of_users, "warmUsers": warm, "coldUsers": users - warm}
    return {**spec.data.to_dict(), "snapshot": snapshot.manifest.to_dict(), **counts}


def short_result(report: EvaluationReport) -> EvaluateResult:
    """What fits into a termination message."""
    users = report.data.get("coldUsers", 0)
    return EvaluateResult(
        gates=report.gates,
        metrics=_short(report.metrics),
        baseline=_short(report.baselines.get("popularity", {})),
        cold_users=users if isinstance(users, int) else 0,
    )


def _short(metrics: Metrics) -> Metrics:
    return {name: _rounded(metrics[name]) for name in IN_STATUS if name in metrics}


def _rounded(metric: MetricValue) -> MetricValue:
    return MetricValue(value=round(metric.value, 6), low=round(metric.low, 6), high=round(metric.high, 6), n=metric.n)
