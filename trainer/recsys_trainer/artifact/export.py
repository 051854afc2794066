"""Export: fitted weights and what they were fitted on become the files of docs/contracts.md section 1."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest, ArtifactModel, FoldIn, Lineage, artifact_digest
from recsys_api.run_spec import RunSpec
from recsys_api.spec.model import WITH_LAYERS, Model
from recsys_trainer import VERSION
from recsys_trainer.artifact.golden import write_golden
from recsys_trainer.artifact.triton import build_config
from recsys_trainer.data.mapping import write_ids
from recsys_trainer.data.snapshot import Snapshot, file_digests
from recsys_trainer.disk import full_disk_said, save_arrays
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.training_data import Positives

MANIFEST = "manifest.json"
POPULAR = 1000


def write_artifact(
    folder: Path, run: RunSpec, snapshot: Snapshot, positives: Positives, weights: dict[str, Tensor]
) -> ArtifactManifest:
    """Write every file of an artifact but its manifest, which the caller writes last.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    model = artifact_model(run.spec.model, positives, weights)
    with full_disk_said("the artifact; give it the size of the model, 4 bytes for each interaction and the ids"):
        _write_files(folder, run, snapshot, positives, weights)
        write_golden(folder, model)
    files = file_digests(folder, ARTIFACT_FILES)
    return ArtifactManifest(
        digest=artifact_digest(files),
        files=files,
        model=model,
        lineage=_lineage(run, snapshot),
        train_cutoff_timestamp=positives.cutoff,
        resolved=resolved(run),
    )


def _write_files(
    folder: Path, run: RunSpec, snapshot: Snapshot, positives: Positives, weights: dict[str, Tensor]
) -> None:
    config = folder / "triton/recommender/config.pbtxt"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(build_config(run.spec.rollout.gateway.request_timeout_milliseconds))
    write_ids(folder / "users.idmap", snapshot.users.take(positives.user_of))
    write_ids(folder / "items.idmap", snapshot.items.take(positives.item_of))
    save_arrays({name: _array(values) for name, values in weights.items()}, folder / "weights.safetensors")
    save_arrays({"indptr": positives.indptr, "indices": positives.indices}, folder / "seen.safetensors")
    save_arrays(popularity(positives), folder / "popularity.safetensors")


def artifact_model(model: Model, positives: Positives, weights: dict[str, Tensor]) -> ArtifactModel:
    """What serving must know to score."""
    factors, family = weights.get("user_factors"), FAMILIES[model.architecture]
    fold_in = family.fold_in(model)
    return ArtifactModel(
        architecture=model.architecture,
        embedding_dim=model.embedding_dim if factors is None else factors.shape[1],
        mlp_embedding_dim=model.mlp_embedding_dim,
        hidden_layers=model.hidden_layers if model.architecture in WITH_LAYERS else (),
        users=positives.users,
        items=positives.items,
        needs=family.needs,
        unknown_users=family.unknown_users,
        unknown_items=family.unknown_items,
        fold_in=None if fold_in is None else FoldIn(**asdict(fold_in)),
    )


def popularity(positives: Positives) -> dict[str, npt.NDArray[np.generic]]:
    """The most popular items first, ties by ascending row; the score is the number of training interactions."""
    counts = positives.counts()
    order = np.lexsort((np.arange(len(counts)), -counts))[:POPULAR]
    return {"items": order.astype(np.int32), "scores": counts[order].astype(np.float32)}


def resolved(run: RunSpec) -> dict[str, object]:
    """The parts of the spec that made this artifact, as resolved."""
    spec = run.spec.to_dict()
    return {name: spec[name] for name in ("data", "model", "training", "evaluation")}


def _lineage(run: RunSpec, snapshot: Snapshot) -> Lineage:
    return Lineage(
        namespace=run.namespace,
        model=run.model,
        version=run.version,
        version_uid=run.version_uid,
        number=run.number,
        snapshot_digest=snapshot.manifest.digest,
        data_uri=run.spec.data.source.uri,
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        trainer=VERSION,
    )


def _array(values: Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values.cpu().numpy(), dtype=np.float32)
