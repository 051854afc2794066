"""Manifests and run files as people and the operator write them, with errors that name the field."""

import os
from pathlib import Path

from pydantic import ValidationError

from recsys_api.field_types import STORED
from recsys_api.manifest import ManifestError as InvalidManifest
from recsys_api.manifest import parse_manifest
from recsys_api.manifest_errors import problems_of
from recsys_api.rule_types import Problem
from recsys_api.run_spec import RunSpec, StableReference
from recsys_trainer.errors import ManifestError
from recsys_trainer.store import refuse_local_uris, refuse_without_driver

RUN_FILE_VARIABLE = "RECSYS_RUN_FILE"
DEFAULT_RUN_FILE = "/etc/recsys/run.json"


def read_run_file() -> RunSpec:
    """The RunSpec of a Job, of a version that was accepted once.

    Raises:
        ManifestError: the file is not there or not a RunSpec, or the manifest has file:// URIs.
    """
    path = Path(os.environ.get(RUN_FILE_VARIABLE, DEFAULT_RUN_FILE))
    text = _read(path, f"set {RUN_FILE_VARIABLE}; without a cluster there are fit, and evaluate --artifact")
    try:
        run = RunSpec.model_validate_json(text, context=STORED)
    except ValidationError as error:
        raise ManifestError(f"{path}: {first_problem(problems_of(error, RunSpec))}") from error
    uris = [("spec.data.source.uri", run.spec.data.source.uri), ("spec.artifacts.uri", run.spec.artifacts.uri)]
    refuse_local_uris(uris)
    refuse_without_driver(uris[1:])  # the data's is for the one stage that reads it
    return run


def read_manifest(path: Path, output: Path, stable: StableReference | None) -> RunSpec:
    """The RunSpec of `recsys-trainer fit`, whose version lies in `output`.

    Raises:
        ManifestError: naming file and field, with a line for each thing to change.
    """
    try:
        manifest = parse_manifest(_read(path, "check -f"))
    except InvalidManifest as error:
        raise ManifestError(*(f"{path}: {each}" for each in error.problems)) from error
    name = manifest.metadata.name
    return RunSpec(
        namespace=manifest.metadata.namespace,
        model=name,
        version=f"{name}-local",
        version_uid="local",
        number=1,
        version_uri=f"file://{output.resolve()}",
        spec=manifest.spec,
        evaluation_key="local",
        stable=stable,
    )


def first_problem(problems: list[Problem]) -> str:
    """The first problem as one line, with the number of the others."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _read(path: Path, fix: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({getattr(error, 'strerror', error)}); {fix}") from error
