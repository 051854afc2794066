"""What a training is of a snapshot: the fits, their checkpoints, and the summary that is left of them."""

from collections.abc import Callable, Iterator, Mapping

import torch

from recsys_api.artifact import ArtifactManifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.training import OPERATIONAL, Training
from recsys_trainer import VERSION
from recsys_trainer.checkpoints import Checkpoints, Identity, run_key
from recsys_trainer.data import snapshot as snapshots
from recsys_trainer.data.split import TRAIN, VALIDATION
from recsys_trainer.device import CUDA_NOT_ASKED_FOR, NO_CUDA, arithmetic, device_name, thread_count
from recsys_trainer.fit import fit, speed_of
from recsys_trainer.fitting.task import Fitted
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.on_disk import tensor_on_disk
from recsys_trainer.parallel import ALONE, Workers
from recsys_trainer.progress import Progress, ignore, peak_memory
from recsys_trainer.store import Store
from recsys_trainer.summary import TrainingSummary
from recsys_trainer.tensor_file import in_memory
from recsys_trainer.training_data import Positives, build_positives, build_validation, build_validation_ratings


def fit_snapshot(
    spec: RecommenderModelSpec,
    snapshot: snapshots.Snapshot,
    device: str,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
    workers: Workers = ALONE,
    tell: Callable[[str], None] = ignore,
) -> tuple[Positives, Fitted]:
    """Fit on the training part; with refit TrainPlusValidation again on both parts for as many epochs as were best.

    Args:
        tell: gets a line before the refit, because its epochs count from 1 again.
    """
    positives = build_positives(snapshot, TRAIN)
    validation = build_validation(snapshot, positives, spec.data.split)
    rated = build_validation_ratings(snapshot, positives)
    fitted = fit(spec.model, spec.training, positives, validation, device, progress, checkpoints, workers, rated)
    if spec.training.refit == "Never":
        return positives, fitted
    tell("refit on training and validation part")
    everything = build_positives(snapshot, VALIDATION)
    refitted = fit(
        spec.model, spec.training, everything, None, device, progress, checkpoints, workers, chosen=fitted.chosen
    )
    refitted.epochs, refitted.history, refitted.refit = fitted.epochs, fitted.history, refitted.history
    refitted.samples, refitted.seconds = refitted.samples + fitted.samples, refitted.seconds + fitted.seconds
    return everything, refitted


def open_checkpoints(
    spec: RecommenderModelSpec,
    snapshot: snapshots.Snapshot,
    device: str,
    store: Store,
    tell: Callable[[str], None],
    workers: Workers = ALONE,
) -> Checkpoints:
    """The checkpoints of this version, if they are of the same settings and snapshot."""
    key = run_key(
        snapshot=snapshot.manifest.digest,
        split=spec.data.split.to_dict(),
        model=spec.model.to_dict(),
        training=spec.training.model_dump(mode="json", exclude=set(OPERATIONAL)),
    )
    identity = Identity(key, environment(spec.training, device, workers))
    empty = tensor_on_disk if spec.training.tables == "Sharded" else in_memory
    return Checkpoints(store, identity, spec.training.checkpoint_seconds, tell, writes=workers.first, empty=empty)


def environment(training: Training, device: str, workers: Workers = ALONE) -> dict[str, str]:
    """What gives the same bits where it is the same."""
    software = {"threads": str(thread_count(training)), "torch": torch.__version__, "trainer": VERSION}
    processes = {} if workers.alone else {"processes": str(workers.world)}
    tables = {"tables": training.tables} if training.tables == "Sharded" else {}
    compiled = {"compiled": "true"} if speed_of(training, device).compiled else {}
    return {**arithmetic(device), **software, **processes, **tables, **compiled}


def last_trained_part(spec: RecommenderModelSpec) -> int:
    """Parts 0..this train the weights that are exported."""
    return TRAIN if spec.training.refit == "Never" else VALIDATION


def summarize(
    spec: RecommenderModelSpec,
    manifest: ArtifactManifest,
    positives: Positives,
    fitted: Fitted,
    device: str,
    checkpoints: Checkpoints,
    workers: Workers = ALONE,
) -> TrainingSummary:
    """reports/training.json."""
    memory = peak_memory()
    return TrainingSummary(
        digest=manifest.digest,
        device=device,
        device_name=device_name(device),
        threads=thread_count(spec.training),
        torch=torch.__version__,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        refit=spec.training.refit,
        seconds=fitted.seconds,
        samples=fitted.samples,
        samples_per_second=fitted.samples_per_second,
        users=positives.users,
        items=positives.items,
        parameters=sum(values.numel() for values in fitted.weights.values()),
        history=fitted.history,
        refit_history=fitted.refit,
        resumes=checkpoints.index.resumes,
        resume_exact=checkpoints.index.exact,
        resume_differences=checkpoints.index.differences,
        processes=workers.world,
        peak_memory_bytes=memory["memoryBytes"],
        peak_device_memory_bytes=memory.get("deviceMemoryBytes", 0),
        message=training_message(spec, device, workers.world),
        defaults=defaults_in_force(spec),
    )


def defaults_in_force(spec: RecommenderModelSpec) -> dict[str, object]:
    """What is trained with where the manifest says nothing, by field below `spec`."""
    given = {name for block in ("model", "training") for name in _fields(getattr(spec, block).to_dict(), block)}
    return {
        name: value for name, value in FAMILIES[spec.model.architecture].in_force(spec).items() if name not in given
    }


def _fields(block: Mapping[str, object], place: str) -> Iterator[str]:
    """Names of the values in a block, nested ones joined by dots."""
    for name, value in block.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{place}.{name}")
        else:
            yield f"{place}.{name}"


def training_message(spec: RecommenderModelSpec, device: str, processes: int) -> str:
    """What a person who reads status would not expect."""
    notes = []
    if spec.training.gpus_per_node >= 1 and device == "cpu":
        notes.append(NO_CUDA)
    if spec.training.gpus_per_node == 0 and torch.cuda.is_available():
        notes.append(CUDA_NOT_ASKED_FOR)
    if processes < spec.training.nodes:
        notes.append(f"trained on {processes} of {spec.training.nodes} nodes")
    if device == "cuda" and processes < spec.training.nodes * spec.training.gpus_per_node:
        notes.append(f"trained on {processes} of {spec.training.nodes * spec.training.gpus_per_node} GPUs")
    return "; ".join(notes)
