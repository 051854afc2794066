"""`recsys-trainer compare`: two fits on the same users."""

from collections.abc import Sequence
from pathlib import Path

from recsys_api.comparison import ComparedFit, ComparisonReport, FitDifference
from recsys_api.run_spec import MetricValue
from recsys_trainer.again import resolved_spec
from recsys_trainer.data.ids import rows_of
from recsys_trainer.device import torch_settings
from recsys_trainer.errors import ManifestError
from recsys_trainer.evaluation.bootstrap import RESAMPLES
from recsys_trainer.evaluation.evaluate import LoadedArtifact, compare
from recsys_trainer.evaluation.metrics import CUTOFFS
from recsys_trainer.evaluation.questions import build_test_part
from recsys_trainer.outputs import fetch_artifact, fetch_snapshot
from recsys_trainer.store import Store
from recsys_trainer.table import SHOWN, difference_line
from recsys_trainer.training import last_trained_part

MIN_USERS = 2


def compare_fits(first: Path, second: Path) -> ComparisonReport:
    """Paired differences on the users that both were trained on.

    Raises:
        UnreadableError: an output of fit is not complete.
        ManifestError: their data differs, so that figures could not be told apart from it.
    """
    stores = [Store(f"file://{folder.resolve()}") for folder in (first, second)]
    snapshots, loaded = [fetch_snapshot(store) for store in stores], [fetch_artifact(store) for store in stores]
    specs = [resolved_spec(each.manifest, folder, None) for each, folder in zip(loaded, (first, second), strict=True)]
    digests, targets = [each.manifest.digest for each in snapshots], [spec.data.split.target for spec in specs]
    _refuse_other_data(first, second, digests, targets)
    last_part, seed = max(last_trained_part(spec) for spec in specs), specs[0].training.seed
    most = min((each.evaluation.max_users for each in specs if each.evaluation.max_users), default=None)
    test = build_test_part(snapshots[0], targets[0], last_part).drawn(most, seed, snapshots[0])
    with torch_settings(specs[0].training):
        paired = compare(snapshots[0], loaded[1], loaded[0], test, last_part, CUTOFFS)
    asked = snapshots[0].users.take(paired.user_N)
    shared = paired.warm_N.copy()
    for each in loaded:
        shared &= rows_of(asked, each.served.users) >= 0
    if shared.sum() < MIN_USERS:
        raise ManifestError(f"{first} and {second} share {int(shared.sum())} test users; {MIN_USERS} are needed")
    differences = paired.differences(shared, seed)
    return ComparisonReport(
        a=_described(first, loaded[0]),
        b=_described(second, loaded[1]),
        snapshot_digest=digests[0],
        users=int(shared.sum()),
        metrics={name: _difference(*differences[name]) for name in SHOWN},
        bootstrap_seed=seed,
        bootstrap_resamples=RESAMPLES,
    )


def _refuse_other_data(first: Path, second: Path, digests: Sequence[str], targets: Sequence[str]) -> None:
    if digests[0] != digests[1]:
        raise ManifestError(
            f"{first} and {second} were split from other data ({digests[0][:19]}… and {digests[1][:19]}…); fit both on "
            "one source with one split, or use fit --stable"
        )
    if targets[0] != targets[1]:
        raise ManifestError(f"{first} has data.split.target {targets[0]}, {second} {targets[1]}; fit both with one")


def _described(folder: Path, loaded: LoadedArtifact) -> ComparedFit:
    model = loaded.manifest.model
    return ComparedFit(folder=str(folder), digest=loaded.manifest.digest, architecture=model.architecture)


def _difference(a: float, b: float, found: MetricValue) -> FitDifference:
    return FitDifference(a=a, b=b, difference=found.value, low=found.low, high=found.high, n=found.n)


def render_comparison(found: ComparisonReport) -> str:
    """A table for a person."""
    lines = [
        f"A  {found.a.folder}",
        f"B  {found.b.folder}",
        f"{found.users} users that both were trained on",
        "",
        f"{'':<14}{'A':>8}{'B':>9}{'B - A':>10}  95 % interval",
    ]
    for name, each in found.metrics.items():
        lines.append(difference_line(name, each.a, each.b, (each.low, each.high), ("A is better", "B is better")))
    return "\n".join(lines)
