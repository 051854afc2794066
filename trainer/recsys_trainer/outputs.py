"""The outputs of the stages in the store: what is there and complete, and how it is fetched and written."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest, SnapshotManifest
from recsys_api.base import Contract
from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.report import EvaluationReport
from recsys_api.run_spec import RunSpec
from recsys_trainer import VERSION
from recsys_trainer.artifact.served import load_served, verify
from recsys_trainer.data import snapshot as snapshots
from recsys_trainer.data.quarantine import Quarantine
from recsys_trainer.device import choose_device
from recsys_trainer.errors import DataError, TrainerError, UnreadableError
from recsys_trainer.evaluation.evaluate import LoadedArtifact
from recsys_trainer.store import Store
from recsys_trainer.summary import TrainingSummary

SNAPSHOT = "snapshot/snapshot.json"
ARTIFACT_FOLDER = "artifact"
ARTIFACT = f"{ARTIFACT_FOLDER}/manifest.json"
TRAINING = "reports/training.json"
QUARANTINE = "reports/quarantine.csv"
REPORT = "report.json"
PAGE = "report.html"
PROTOCOL = "ncf-protocol.json"
_Manifest = TypeVar("_Manifest", bound=Contract)


def report_name(key: str) -> str:
    """Where the report of an evaluation lies."""
    return f"reports/evaluation-{key}.json"


def protocol_name(key: str) -> str:
    """Where the protocol of the NCF paper lies, beside the report."""
    return f"reports/ncf-protocol-{key}.json"


def observe_snapshot(store: Store) -> SnapshotManifest | None:
    """The snapshot's manifest if the snapshot is complete."""
    if not store.exists(SNAPSHOT) or not store.complete("snapshot", snapshots.SNAPSHOT_FILES):
        return None
    return _parsed(SnapshotManifest, store, SNAPSHOT)


def observe_training(store: Store) -> TrainingSummary | None:
    """The training's summary if the artifact is complete and the summary is its."""
    if not store.exists(ARTIFACT) or not store.complete("artifact", ARTIFACT_FILES) or not store.exists(TRAINING):
        return None
    manifest, summary = _parsed(ArtifactManifest, store, ARTIFACT), _parsed(TrainingSummary, store, TRAINING)
    return summary if manifest and summary and manifest.digest == summary.digest else None


def observe_report(store: Store, key: str) -> EvaluationReport | None:
    """The report of an evaluation if it is there."""
    return _parsed(EvaluationReport, store, report_name(key)) if store.exists(report_name(key)) else None


def observe_protocol(store: Store, key: str) -> NcfProtocolReport | None:
    """What an evaluation found by the protocol of the NCF paper, if it is there."""
    return _parsed(NcfProtocolReport, store, protocol_name(key)) if store.exists(protocol_name(key)) else None


def fetch_snapshot(store: Store) -> snapshots.Snapshot:
    """The snapshot, verified.

    Raises:
        UnreadableError: prepare has not finished, or the files were changed.
    """
    if (manifest := observe_snapshot(store)) is None:
        raise UnreadableError(f"{store.uri}/{SNAPSHOT}: not complete; run prepare first")
    return load_snapshot(store, manifest)


def load_snapshot(store: Store, manifest: SnapshotManifest) -> snapshots.Snapshot:
    """The snapshot of a manifest that was read, verified.

    Raises:
        UnreadableError: the files were changed.
    """
    with scratch() as folder:
        store.download("snapshot", folder, snapshots.SNAPSHOT_FILES)
        return snapshots.read_snapshot(folder, manifest)


def copy_snapshot(source: Store, origin: str, store: Store) -> SnapshotManifest | None:
    """Another folder's snapshot in `store` too, if it is that of `origin` and unchanged: nothing is read or sorted again.

    Raises:
        UnreadableError: `store` cannot be written.
        OutOfMemoryError: a disk is full.
    """
    with scratch() as folder:
        try:
            manifest = observe_snapshot(source)
            if manifest is None or not origin or manifest.origin != origin:
                return None
            source.download("snapshot", folder, snapshots.SNAPSHOT_FILES)
            snapshots.read_snapshot(folder, manifest)
            aside = source.read(QUARANTINE) if source.exists(QUARANTINE) else None
        except UnreadableError:
            return None
        if aside is not None:
            store.write(QUARANTINE, aside)
        else:
            store.remove(QUARANTINE)
        store.upload(folder, "snapshot", snapshots.SNAPSHOT_FILES)
    return manifest


def observe_artifact(store: Store, name: str = ARTIFACT_FOLDER) -> ArtifactManifest | None:
    """The manifest of the artifact in a folder of the store, if all of it is there."""
    manifest = f"{name}/manifest.json"
    if not store.exists(manifest) or not store.complete(name, ARTIFACT_FILES):
        return None
    return _parsed(ArtifactManifest, store, manifest)


def fetch_artifact(store: Store, name: str = ARTIFACT_FOLDER) -> LoadedArtifact:
    """The artifact of a version, or in another folder of the store, verified, read from its files.

    Raises:
        UnreadableError: the artifact is not complete, or its files were changed.
    """
    place = f"{store.uri}/{name}"
    if (manifest := observe_artifact(store, name)) is None:
        what = "not complete; run train first"
        if store.exists(f"{name}/manifest.json") and store.complete(name, ARTIFACT_FILES):
            what = f"not what trainer {VERSION} reads: it was changed, or another trainer wrote it; train again"
        raise UnreadableError(f"{place}/manifest.json: {what}, or copy the whole artifact again")
    with scratch() as folder:
        store.download(name, folder, ARTIFACT_FILES)
        verify(folder, manifest, place)
        return LoadedArtifact(load_served(folder, manifest.model, choose_device()), manifest)


def fetch_stable(run: RunSpec) -> tuple[LoadedArtifact | None, str]:
    """(the serving version's artifact, "") or (None, why it cannot be compared with)."""
    if run.stable is None:
        return None, ""
    store = Store(run.stable.version_uri)
    if not store.exists(ARTIFACT):
        return None, f"its artifact is gone from {store.uri}"
    try:
        loaded = fetch_artifact(store)
    except UnreadableError as error:
        return None, error.line
    if loaded.manifest.digest != run.stable.digest:
        return None, f"its artifact has digest {loaded.manifest.digest}, {run.stable.digest} serves"
    return loaded, ""


def required_training(store: Store) -> TrainingSummary:
    """The training's summary.

    Raises:
        UnreadableError: train has not finished.
    """
    if (summary := observe_training(store)) is None:
        raise UnreadableError(f"{store.uri}/{TRAINING}: not there, or of another artifact; run train first")
    return summary


@contextmanager
def kept_quarantine(store: Store) -> Iterator[Quarantine]:
    """A quarantine whose rows are in the store afterwards, also where they are too many and the data is refused."""
    quarantine = Quarantine(f"{store.uri}/{QUARANTINE}")
    try:
        yield quarantine
    except DataError:
        with suppress(TrainerError):  # what is wrong with the data is to be heard, whatever the store says
            _keep(quarantine, store)
        raise
    _keep(quarantine, store)


def _keep(quarantine: Quarantine, store: Store) -> None:
    if quarantine.rows:
        store.write(QUARANTINE, quarantine.content())
    else:
        store.remove(QUARANTINE)


@contextmanager
def scratch() -> Iterator[Path]:
    """A local folder for files on their way."""
    with tempfile.TemporaryDirectory(prefix="recsys-") as folder:
        yield Path(folder)


def write_json(store: Store, name: str, content: Contract) -> None:
    """Write a manifest or report."""
    store.write(name, json.dumps(content.to_dict(), indent=1, allow_nan=False).encode())


def _parsed(kind: type[_Manifest], store: Store, name: str) -> _Manifest | None:
    try:
        return kind.model_validate_json(store.read(name))
    except ValidationError:
        return None
