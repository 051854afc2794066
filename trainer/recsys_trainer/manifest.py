"""Manifests and run files as people and the operator write them, with errors that name the field."""

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import RunSpec, StableReference
from recsys_trainer.errors import ManifestError
from recsys_trainer.store import refuse_local_uris

RUN_FILE_VARIABLE = "RECSYS_RUN_FILE"
DEFAULT_RUN_FILE = "/etc/recsys/run.json"
_KIND = "RecommenderModel"


def read_run_file() -> RunSpec:
    """The RunSpec of a Job.

    Raises:
        ManifestError: the file is not there or not a RunSpec, or the manifest has file:// URIs.
    """
    path = Path(os.environ.get(RUN_FILE_VARIABLE, DEFAULT_RUN_FILE))
    text = _read(path, f"set {RUN_FILE_VARIABLE}")
    try:
        run = RunSpec.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"{path}: {first_problem(error)}") from error
    uris = [("spec.data.source.uri", run.spec.data.source.uri), ("spec.artifacts.uri", run.spec.artifacts.uri)]
    refuse_local_uris(uris)
    return run


def read_manifest(path: Path, output: Path, stable: StableReference | None) -> RunSpec:
    """The RunSpec of `recsys-trainer fit`, whose version lies in `output`.

    Raises:
        ManifestError: naming file and field.
    """
    document = _only_model(path)
    try:
        spec = RecommenderModelSpec.model_validate(document.get("spec", {}))
    except ValidationError as error:
        raise ManifestError(f"{path}: {first_problem(error, 'spec')}") from error
    metadata = document.get("metadata") or {}
    name = str(metadata.get("name", "model")) if isinstance(metadata, dict) else "model"
    return RunSpec(
        namespace=str(metadata.get("namespace", "default")) if isinstance(metadata, dict) else "default",
        model=name,
        version=f"{name}-local",
        version_uid="local",
        number=1,
        version_uri=f"file://{output.resolve()}",
        spec=spec,
        evaluation_key="local",
        stable=stable,
    )


def first_problem(error: ValidationError, root: str = "") -> str:
    """The first problem of a validation as `field: value: what is wrong`, with the number of the others."""
    problems = error.errors(include_url=False)
    first = problems[0]
    field = ".".join(str(part) for part in ((root, *first["loc"]) if root else first["loc"])) or "document"
    given = "" if first["type"] == "missing" or isinstance(first["input"], (dict, list)) else f"{first['input']!r}: "
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{field}: {given}{first['msg']}{more}"


def _only_model(path: Path) -> dict[str, Any]:
    try:
        documents = list(yaml.safe_load_all(_read(path, "check -f")))
    except yaml.YAMLError as error:
        raise ManifestError(f"{path}: not YAML ({error}); fix the syntax") from error
    models: list[dict[str, Any]] = [each for each in documents if isinstance(each, dict) and each.get("kind") == _KIND]
    if len(models) != 1:
        raise ManifestError(f"{path}: has {len(models)} documents of kind {_KIND}; give a file with one")
    return models[0]


def _read(path: Path, fix: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({getattr(error, 'strerror', error)}); {fix}") from error
