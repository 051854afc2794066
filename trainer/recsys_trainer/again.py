"""`recsys-trainer evaluate --artifact`: judging what exists, without a training."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest
from recsys_api.manifest_errors import problems_of
from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.report import EvaluationReport
from recsys_api.run_spec import StableReference
from recsys_api.spec.data import Data
from recsys_trainer import VERSION, stages
from recsys_trainer.data.origin import places
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.data.snapshot import Snapshot, read_snapshot, write_snapshot
from recsys_trainer.device import torch_settings
from recsys_trainer.errors import ManifestError, UnreadableError
from recsys_trainer.evaluation.details import build_details
from recsys_trainer.evaluation.evaluate import LoadedArtifact
from recsys_trainer.evaluation.gates import decide_gates
from recsys_trainer.evaluation.report import build_report
from recsys_trainer.evaluation.stable import NOT_GIVEN, compare_with_stable
from recsys_trainer.manifest import first_problem
from recsys_trainer.outputs import ARTIFACT_FOLDER, fetch_artifact
from recsys_trainer.store import Store, refuse_without_driver
from recsys_trainer.summary import TrainingSummary


@dataclass(frozen=True)
class Again:
    """What an evaluation from the artifact alone found."""

    report: EvaluationReport
    protocol: NcfProtocolReport
    spec: RecommenderModelSpec
    """The artifact's."""
    note: str
    """Where the data is not that of the training."""


def evaluate_again(folder: Path, data_uri: str | None, stable_folder: Path | None = None) -> Again:
    """The evaluation of an artifact once more.

    Args:
        folder: an artifact, or an output folder of `fit` with one in it.
        data_uri: where the interactions lie now; None for where they lay.
        stable_folder: another one, that it is compared with.

    Raises:
        UnreadableError: no complete artifact, or no data.
        ManifestError: the artifact does not say how it was made.
        DataError: the data is not what the artifact's manifest says.
    """
    began = time.perf_counter()
    loaded, stable = load_artifact(folder), None if stable_folder is None else load_artifact(stable_folder)
    spec = resolved_spec(loaded.manifest, folder, data_uri)
    snapshot = prepare_in_memory(spec)
    with torch_settings(spec.training):
        evaluated = stages.evaluate_candidate(spec, snapshot, loaded, stable)
        details = build_details(spec, snapshot, loaded.served, evaluated)
    serving, seed = _reference(stable, stable_folder), spec.data.split.judging_seed
    compared = compare_with_stable(evaluated.paired, serving, "", seed, without=NOT_GIVEN)
    gates = decide_gates(spec.evaluation.gates, evaluated, compared, seed)
    summary, seconds = _summary(loaded), time.perf_counter() - began
    report = build_report(spec, snapshot, summary, evaluated, details, compared, gates, seconds)
    return Again(report, details.protocol, spec, _note(loaded.manifest, snapshot))


def _reference(stable: LoadedArtifact | None, folder: Path | None) -> StableReference | None:
    if stable is None or folder is None:
        return None
    return stable_reference(folder, stable.manifest.digest)


def stable_reference(folder: Path, digest: str) -> StableReference:
    """A folder of this machine in the place of the serving version, named by its last part."""
    place = folder.resolve()
    return StableReference(name=place.name, version_uri=f"file://{place}", digest=digest)


def load_artifact(folder: Path) -> LoadedArtifact:
    """The verified artifact in a folder, or in its `artifact/`."""
    if (folder / ARTIFACT_FOLDER).is_dir():
        return fetch_artifact(Store(f"file://{folder.resolve()}"))
    missing = [name for name in (*ARTIFACT_FILES, "manifest.json") if not (folder / name).is_file()]
    if not folder.exists():
        raise UnreadableError(f"{folder}: does not exist; name an artifact, or an output folder of fit")
    if missing:
        raise UnreadableError(f"{folder}: has no {missing[0]}; name an artifact, or an output folder of fit")
    place = folder.resolve()
    return fetch_artifact(Store(f"file://{place.parent}"), place.name)


def resolved_spec(manifest: ArtifactManifest, folder: Path, data_uri: str | None) -> RecommenderModelSpec:
    """The spec that an artifact carries, with the data where it lies now."""
    parts: dict[str, object] = {
        name: manifest.resolved.get(name) for name in ("data", "model", "training", "evaluation")
    }
    if not all(isinstance(part, dict) for part in parts.values()):
        raise ManifestError(f"{folder}: its manifest.json has no resolved spec; export it again")
    neither = {"artifacts": {"uri": "file:///nowhere"}, "rollout": {"gateway": {"name": "none"}}}
    try:
        spec = RecommenderModelSpec.model_validate({**parts, **neither})
    except ValidationError as error:
        made_by, problem = manifest.lineage.trainer, first_problem(problems_of(error, RecommenderModelSpec))
        raise ManifestError(
            f"{folder}: manifest.json: resolved.{problem}; trainer {made_by} wrote it and this is {VERSION}: use that "
            "one, or train again"
        ) from error
    return spec if data_uri is None else with_data(spec, data_uri)


def with_data(spec: RecommenderModelSpec, uri: str) -> RecommenderModelSpec:
    """The spec with its interactions in another place."""
    return spec.model_copy(update={"data": _moved(spec, uri)})


def _moved(spec: RecommenderModelSpec, uri: str) -> Data:
    """`spec.data` with another place for the source, and the parts below it."""
    data, old = spec.data, spec.data.source.uri.rstrip("/")
    split = data.split
    if split.predefined is not None:
        parts = {name: uri.rstrip("/") + str(part).removeprefix(old) for name, part in split.predefined}
        split = split.model_copy(update={"predefined": split.predefined.model_copy(update=parts)})
    return data.model_copy(update={"source": data.source.model_copy(update={"uri": uri}), "split": split})


def prepare_in_memory(spec: RecommenderModelSpec) -> Snapshot:
    """The snapshot that `prepare` would leave."""
    refuse_without_driver(places(spec.data))
    data, parts = prepare_interactions(spec.data)
    with tempfile.TemporaryDirectory(prefix="recsys-") as folder:
        return read_snapshot(Path(folder), write_snapshot(Path(folder), data, parts))


def _note(manifest: ArtifactManifest, snapshot: Snapshot) -> str:
    trained, found = manifest.lineage.snapshot_digest, snapshot.manifest.digest
    if trained == found:
        return ""
    return f"the data has digest {found}, the artifact was trained on {trained}: figures will differ from its report's"


def _summary(loaded: LoadedArtifact) -> TrainingSummary:
    """What an artifact knows of its training: sizes, and nothing of the course."""
    parameters = sum(values.numel() for values in loaded.served.network.state_dict().values())
    return TrainingSummary(
        digest=loaded.manifest.digest, device="", device_name="", threads=0, torch="", epochs=0,
        best_epoch=0, refit="", seconds=0.0, samples=0, samples_per_second=0.0, users=len(loaded.served.users),
        items=loaded.served.items, parameters=parameters, message="evaluated again from the artifact",
    )  # fmt: skip
