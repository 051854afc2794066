"""The three functions of a version: prepare, train, evaluate. Jobs run one each, `recsys-trainer fit` all three.

Every one is idempotent: what a complete output manifest says is reported again, nothing is computed twice.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from recsys_api.artifact import ARTIFACT_FILES, SnapshotManifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.report import StableComparison
from recsys_api.rules import validate_spec
from recsys_api.run_spec import EvaluateResult, PrepareResult, RunSpec, TrainResult
from recsys_trainer.artifact import export
from recsys_trainer.checkpoints import FOLDER
from recsys_trainer.data import snapshot as snapshots
from recsys_trainer.data.origin import observe_origin, places
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.device import torch_settings, training_device
from recsys_trainer.errors import ManifestError, PeerError, TrainerError, UnreadableError
from recsys_trainer.evaluation.details import build_details
from recsys_trainer.evaluation.evaluate import Evaluated, LoadedArtifact, evaluate_artifact, wanted_cutoffs
from recsys_trainer.evaluation.gates import decide_gates, refuse_bad_gates
from recsys_trainer.evaluation.report import build_report, short_result
from recsys_trainer.evaluation.stable import NOTHING_SERVES, compare_with_stable
from recsys_trainer.manifest import first_problem
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.outputs import (
    ARTIFACT,
    SNAPSHOT,
    TRAINING,
    copy_snapshot,
    fetch_artifact,
    fetch_snapshot,
    fetch_stable,
    kept_quarantine,
    load_snapshot,
    observe_report,
    observe_snapshot,
    observe_training,
    protocol_name,
    report_name,
    required_training,
    scratch,
    write_json,
)
from recsys_trainer.parallel import Place, joined
from recsys_trainer.progress import Progress, ignore, silent
from recsys_trainer.snapshot_cache import SnapshotCache
from recsys_trainer.store import Store, refuse_without_driver
from recsys_trainer.training import fit_snapshot, last_trained_part, open_checkpoints, summarize


def prepare(run: RunSpec, store: Store, cache: SnapshotCache | None = None) -> PrepareResult:
    """Read, check and split the data; leave snapshot/. The stable version's or the cache's is copied where it is from the
    same files."""
    refuse_impossible(run.spec)
    if (manifest := observe_snapshot(store)) is None:
        refuse_without_driver(places(run.spec.data))
        origin = _origin(run.spec)
        if run.stable is not None:
            manifest = copy_snapshot(Store(run.stable.version_uri), origin, store)
        if manifest is None and cache is not None:
            manifest = cache.take(origin, store)
        if manifest is None:
            manifest = _read(run.spec, origin, store)
        write_json(store, SNAPSHOT, manifest)
    if cache is not None:
        cache.keep(store, manifest)
    return prepare_result(manifest)


def _read(spec: RecommenderModelSpec, origin: str, store: Store) -> SnapshotManifest:
    """A snapshot from the source, in `store` all but its manifest."""
    with kept_quarantine(store) as quarantine:
        weights = spec.model.weighs_interactions
        interactions, parts = prepare_interactions(spec.data, quarantine=quarantine, weights=weights)
    with scratch() as folder:
        manifest = snapshots.write_snapshot(folder, interactions, parts)
        store.upload(folder, "snapshot", snapshots.SNAPSHOT_FILES)
    # files that changed meanwhile may have been read half old, half new: then there is no telling
    return manifest.model_copy(update={"origin": origin}) if origin == _origin(spec) else manifest


def is_prepared(run: RunSpec, store: Store) -> bool:
    """Whether the store has the snapshot that `prepare` would make, to the bit."""
    try:
        manifest = observe_snapshot(store)
        if manifest is None or not manifest.origin:
            return False
        if manifest.origin != _origin(run.spec):
            return False
        load_snapshot(store, manifest)
    except TrainerError:
        return False
    return True


def _origin(spec: RecommenderModelSpec) -> str:
    return observe_origin(spec.data, weights=spec.model.weighs_interactions)


def train(
    run: RunSpec,
    store: Store,
    progress: Progress = silent,
    tell: Callable[[str], None] = ignore,
    place: Place | None = None,
) -> TrainResult:
    """Fit on the snapshot and export; leave artifact/ and reports/training.json.

    Args:
        place: of the first of several processes; the others `assist`.
    """
    refuse_impossible(run.spec)
    if (summary := observe_training(store)) is None:
        device = training_device(run.spec.training, place or Place())
        with torch_settings(run.spec.training), scratch() as folder, joined(place or Place(), device) as workers:
            snapshot = fetch_snapshot(store)
            checkpoints = open_checkpoints(run.spec, snapshot, device, store, tell, workers)
            positives, fitted = fit_snapshot(run.spec, snapshot, device, progress, checkpoints, workers, tell)
            manifest = export.write_artifact(folder, run, snapshot, positives, fitted.weights)
            store.upload(folder, "artifact", ARTIFACT_FILES)
            summary = summarize(run.spec, manifest, positives, fitted, device, checkpoints, workers)
            write_json(store, TRAINING, summary)
            write_json(store, ARTIFACT, manifest)
            with suppress(PeerError):  # all is written: whoever is gone is not needed any more
                workers.wait()
    store.remove(FOLDER)
    return summary.result()


def assist(run: RunSpec, store: Store, place: Place) -> None:
    """What every process of a training but the first does: its share of the steps, until the first has written the outputs."""
    refuse_impossible(run.spec)
    device = training_device(run.spec.training, place)
    with torch_settings(run.spec.training), joined(place, device) as workers:
        snapshot = fetch_snapshot(store)
        checkpoints = open_checkpoints(run.spec, snapshot, device, store, ignore, workers)
        fit_snapshot(run.spec, snapshot, device, silent, checkpoints, workers)
        workers.wait()


def evaluate(run: RunSpec, store: Store, without_stable: StableComparison = NOTHING_SERVES) -> EvaluateResult:
    """Judge the exported artifact; leave reports/evaluation-<key>.json, and ncf-protocol-<key>.json beside it.

    Args:
        without_stable: what it means that the run names no stable version.
    """
    refuse_impossible(run.spec)
    if (report := observe_report(store, run.evaluation_key)) is None:
        began = time.perf_counter()
        snapshot, candidate, summary = fetch_snapshot(store), fetch_artifact(store), required_training(store)
        stable, why_not = fetch_stable(run)
        with torch_settings(run.spec.training):
            evaluated = evaluate_candidate(run.spec, snapshot, candidate, stable)
            details = build_details(run.spec, snapshot, candidate.served, evaluated)
        seed = run.spec.data.split.judging_seed
        compared = compare_with_stable(evaluated.paired, run.stable, why_not, seed, without=without_stable)
        gates = decide_gates(run.spec.evaluation.gates, evaluated, compared, seed)
        seconds = time.perf_counter() - began
        report = build_report(run.spec, snapshot, summary, evaluated, details, compared, gates, seconds)
        write_json(store, protocol_name(run.evaluation_key), details.protocol)
        write_json(store, report_name(run.evaluation_key), report)
    return short_result(report)


def report_stage(stage: str, run: RunSpec, store: Store) -> PrepareResult | TrainResult | EvaluateResult:
    """The result of a stage from the store.

    Raises:
        UnreadableError: the stage has not finished.
    """
    found: PrepareResult | TrainResult | EvaluateResult | None = None
    if stage == "prepare" and (manifest := observe_snapshot(store)):
        found = prepare_result(manifest)
    elif stage == "train" and (summary := observe_training(store)):
        found = summary.result()
    elif stage == "evaluate" and (report := observe_report(store, run.evaluation_key)):
        found = short_result(report)
    if found is None:
        raise UnreadableError(f"{store.uri}: the output of {stage} is not complete; run {stage} again")
    return found


def refuse_impossible(spec: RecommenderModelSpec) -> None:
    """Refuse what the schema allows and the trainer cannot do.

    Raises:
        ManifestError: naming the field.
    """
    refuse_bad_gates(spec.evaluation.gates)
    if FAMILIES[spec.model.architecture].needs_ratings and spec.data.columns.rating is None:
        raise ManifestError(
            f"spec.data.columns.rating: not set, but {spec.model.architecture} learns from ratings; name the column, or "
            "use a family that learns from interactions, as in spec.model.architecture: ImplicitALS"
        )
    if problems := [each for each in validate_spec(spec, cluster=False) if each.field.startswith("spec.data")]:
        raise ManifestError(first_problem(problems))


def evaluate_candidate(
    spec: RecommenderModelSpec, snapshot: snapshots.Snapshot, candidate: LoadedArtifact, stable: LoadedArtifact | None
) -> Evaluated:
    """Every user's metrics at the published cut-offs and those of the gates."""
    return evaluate_artifact(
        snapshot,
        candidate,
        stable,
        target=spec.data.split.target,
        last_part=last_trained_part(spec),
        cutoffs=wanted_cutoffs([gate.metric.k for gate in spec.evaluation.gates]),
        baselines=spec.evaluation.baselines,
        max_users=spec.evaluation.max_users,
        seed=spec.data.split.judging_seed,
    )


def prepare_result(manifest: SnapshotManifest) -> PrepareResult:
    """The termination message of prepare."""
    return PrepareResult(
        digest=manifest.digest,
        rows=manifest.rows,
        users=manifest.users,
        items=manifest.items,
        quarantined=manifest.quarantined,
    )
