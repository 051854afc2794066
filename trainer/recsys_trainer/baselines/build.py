"""Which baselines a report has, and why one is missing."""

from dataclasses import dataclass, field

from recsys_api.spec.evaluation import Baselines
from recsys_trainer.artifact.served import Served
from recsys_trainer.baselines.history import Histories
from recsys_trainer.baselines.item_based import ItemBased, ease_weights, item_knn_weights
from recsys_trainer.baselines.rating_bias import RatingBias
from recsys_trainer.baselines.recent_popularity import RecentPopularity
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.device import free_memory
from recsys_trainer.evaluation.ranking import Scorer

MOST_ITEMS = 20_000
"""EASE inverts items x items: at this size half an hour of one core."""
_TABLES = 5
"""Tables of items x items at the same time."""


@dataclass
class BuiltBaselines:
    """Scorers over the artifact's rows, by the name that report.json gives them."""

    scorers: dict[str, Scorer] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Why, for a person."""


def build_baselines(
    served: Served, snapshot: Snapshot, last_part: int, settings: Baselines, *, free_bytes: int | None = None
) -> BuiltBaselines:
    """Every baseline that the data allows, from parts 0..last_part."""
    built = BuiltBaselines()
    if snapshot.timestamp_I.any():
        half_life = settings.popularity_half_life_seconds
        built.scorers["recentPopularity"] = RecentPopularity(served, snapshot, last_part, half_life)
    else:
        built.left_out["recentPopularity"] = "the data has no times; name data.columns.timestamp"
    if problem := _too_many_items(served.items, free_memory(served.device) if free_bytes is None else free_bytes):
        built.left_out |= {"itemKNN": problem, "ease": problem}
    else:
        histories = Histories.of(served)
        gram = histories.gram()
        knn = item_knn_weights(gram, settings.neighbours, settings.shrinkage)
        built.scorers["itemKNN"] = ItemBased(histories, knn, served)
        try:
            built.scorers["ease"] = ItemBased(histories, ease_weights(gram, settings.ease_regularization), served)
        except ValueError:
            built.left_out["ease"] = (
                f"easeRegularization {settings.ease_regularization:g} is too small to invert the items' table; raise "
                "spec.evaluation.baselines.easeRegularization"
            )
    if snapshot.rating_I is not None:
        built.scorers["ratingBias"] = RatingBias.of(served, snapshot, last_part)
    return built


def _too_many_items(items: int, free_bytes: int) -> str:
    needed = _TABLES * 4 * items * items
    if items <= MOST_ITEMS and needed <= free_bytes:
        return ""
    return (
        f"{items:,} items need tables of {needed / 2**20:,.0f} MiB; {free_bytes / 2**20:,.0f} MiB are free, and "
        f"{MOST_ITEMS:,} items are the most"
    )
