"""`recsys-trainer compare`: two fits or two artifacts on the same users."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_api.comparison import ComparedFit, ComparisonReport, FitDifference
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import MetricValue
from recsys_trainer.again import load_artifact, prepare_in_memory, resolved_spec, with_data
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.device import torch_settings
from recsys_trainer.errors import ManifestError, UnreadableError
from recsys_trainer.evaluation.bootstrap import MIN_USERS, RESAMPLES
from recsys_trainer.evaluation.evaluate import LoadedArtifact, Paired, compare
from recsys_trainer.evaluation.metrics import CUTOFFS
from recsys_trainer.evaluation.questions import build_test_part
from recsys_trainer.outputs import SNAPSHOT, fetch_snapshot
from recsys_trainer.store import Store
from recsys_trainer.table import SHOWN, difference_line, wrapped
from recsys_trainer.training import last_trained_part


@dataclass(frozen=True)
class Side:
    """One of the two: its folder as it was given, its artifact, and the spec that the artifact carries."""

    folder: Path
    loaded: LoadedArtifact
    spec: RecommenderModelSpec


@dataclass(frozen=True)
class Judges:
    """The data that both are asked about."""

    snapshot: Snapshot
    after: int | None
    """Only test interactions later than this many seconds since the epoch; None where both were split from this snapshot."""


def compare_fits(first: Path, second: Path, data_uri: str | None = None) -> ComparisonReport:
    """Paired differences on the users that both were trained on.

    Args:
        first, second: output folders of `fit`; with `data_uri` also artifacts.
        data_uri: interactions that are split anew as the first artifact's manifest says; None: the snapshot of the fits.

    Raises:
        UnreadableError: an artifact or a snapshot is not complete, or there is no data.
        ManifestError: their data differs, so that figures could not be told apart from it.
        DataError: the data is not what the first artifact's manifest says.
    """
    sides = [_side(folder) for folder in (first, second)]
    judges = _recorded(sides) if data_uri is None else _split_anew(sides, data_uri)
    _refuse_other_targets(sides)
    specs = [each.spec for each in sides]
    last_part, seed = max(last_trained_part(spec) for spec in specs), specs[0].data.split.judging_seed
    most = min((each.evaluation.max_users for each in specs if each.evaluation.max_users), default=None)
    test = build_test_part(judges.snapshot, specs[0].data.split.target, last_part, judges.after)
    test = test.drawn(most, seed, judges.snapshot)
    with torch_settings(specs[0].training):
        paired = compare(judges.snapshot, sides[1].loaded, sides[0].loaded, test, last_part, CUTOFFS)
    shared = _shared(sides, judges, paired)
    differences = paired.differences(shared, seed)
    return ComparisonReport(
        a=_described(sides[0]),
        b=_described(sides[1]),
        snapshot_digest=judges.snapshot.manifest.digest,
        after_timestamp=judges.after,
        users=int(shared.sum()),
        metrics={name: _difference(*differences[name]) for name in SHOWN},
        bootstrap_seed=seed,
        bootstrap_resamples=RESAMPLES,
    )


def _side(folder: Path) -> Side:
    loaded = load_artifact(folder)
    return Side(folder, loaded, resolved_spec(loaded.manifest, folder, None))


def _recorded(sides: Sequence[Side]) -> Judges:
    """The snapshot that both fits left."""
    snapshots = [_snapshot_of_fit(each.folder) for each in sides]
    digests = [each.manifest.digest for each in snapshots]
    if digests[0] != digests[1]:
        raise ManifestError(
            f"{sides[0].folder} and {sides[1].folder} were split from other data ({digests[0][:19]}… and "
            f"{digests[1][:19]}…); fit both on one source with one split, or name interactions later than both with --data"
        )
    return Judges(snapshots[0], None)


def _snapshot_of_fit(folder: Path) -> Snapshot:
    if not (folder / SNAPSHOT).is_file():
        raise UnreadableError(
            f"{folder}: has no {SNAPSHOT}, so nothing tells its test part; name the interactions with --data"
        )
    return fetch_snapshot(Store(f"file://{folder.resolve()}"))


def _split_anew(sides: Sequence[Side], data_uri: str) -> Judges:
    """The interactions as the first manifest splits them, cut as beside a stable version where others trained the two."""
    snapshot = prepare_in_memory(with_data(sides[0].spec, data_uri))
    manifests = [each.loaded.manifest for each in sides]
    if {each.lineage.snapshot_digest for each in manifests} == {snapshot.manifest.digest}:
        return Judges(snapshot, None)
    return Judges(snapshot, max(each.train_cutoff_timestamp for each in manifests))


def _refuse_other_targets(sides: Sequence[Side]) -> None:
    first, second = (each.spec.data.split.target for each in sides)
    if first != second:
        raise ManifestError(
            f"{sides[0].folder} has data.split.target {first}, {sides[1].folder} {second}; fit both with one"
        )


def _shared(sides: Sequence[Side], judges: Judges, paired: Paired) -> npt.NDArray[np.bool_]:
    """Which of the users both were trained on."""
    asked = judges.snapshot.users.take(paired.user_N)
    shared = paired.warm_N.copy()
    for each in sides:
        shared &= rows_of(asked, each.loaded.served.users) >= 0
    if shared.sum() < MIN_USERS:
        later = "" if judges.after is None else " with interactions later than both trainings"
        raise ManifestError(
            f"{sides[0].folder} and {sides[1].folder} share {int(shared.sum())} test users{later}; {MIN_USERS} are needed"
        )
    return shared


def _described(side: Side) -> ComparedFit:
    manifest = side.loaded.manifest
    return ComparedFit(
        folder=str(side.folder),
        digest=manifest.digest,
        architecture=manifest.model.architecture,
        refit=side.spec.training.refit,
    )


def _difference(a: float, b: float, found: MetricValue) -> FitDifference:
    return FitDifference(a=a, b=b, difference=found.value, low=found.low, high=found.high, n=found.n)


def _later(found: ComparisonReport) -> str:
    if found.after_timestamp is None:
        return ""
    return ", asked about interactions later than both trainings: they were not split from this data alike"


def _other_refit(found: ComparisonReport) -> Iterator[str]:
    """What a difference is also of, where one has learned from more parts."""
    if found.a.refit != found.b.refit:
        more = "A" if found.b.refit == "Never" else "B"
        yield (
            f"{more} has learned from the validation part too (training.refit: {found.a.refit} of A, {found.b.refit} of B): a "
            "difference may be of that; fit both with one"
        )


def render_comparison(found: ComparisonReport, columns: int | None = None) -> str:
    """A table for a person, whose terminal is so wide if there is one."""
    told = [f"{found.users} users that both were trained on{_later(found)}", *_other_refit(found)]
    lines = [
        f"A  {found.a.folder}",
        f"B  {found.b.folder}",
        *(broken for line in told for broken in wrapped(line, columns)),
        "",
        f"{'':<14}{'A':>8}{'B':>8}{'B - A':>9}  95 % interval",
    ]
    for name, each in found.metrics.items():
        lines.append(difference_line(name, each.a, each.b, (each.low, each.high), ("A is better", "B is better")))
    return "\n".join(lines)
