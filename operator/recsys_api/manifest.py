"""Reading a RecommenderModel from text, with errors that name field, value and fix.

The CLI reads the same files as the cluster and refuses what the API server would refuse: JSON types are strict, unknown
fields are errors, and the rules of `rules.py` are those of the CRD.
"""

import json
from collections import Counter
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from recsys_api import patterns
from recsys_api.base import Contract, Observed
from recsys_api.manifest_errors import problems_of
from recsys_api.manifest_yaml import read_documents, said_of
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_types import Problem
from recsys_api.rules import validate_spec

KIND = "RecommenderModel"
_NO_KIND = "one without a kind"


class ManifestMetadata(Observed):
    """The part of the metadata that means something to us."""

    name: Annotated[str, StringConstraints(pattern=patterns.MODEL_NAME, max_length=40)]
    namespace: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class RecommenderModelManifest(Contract):
    """A whole manifest."""

    api_version: Literal["recsys.dev/v1alpha1"]
    kind: Literal["RecommenderModel"]
    metadata: ManifestMetadata
    spec: RecommenderModelSpec
    status: dict[str, object] | None = None
    """Ignored: so that the output of `kubectl get -o yaml` can be read."""


class ManifestError(ValueError):
    """The text is not a manifest that can be used. `problems` has one line for each thing to change."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def parse_manifest(text: str, *, cluster: bool = False) -> RecommenderModelManifest:
    """The RecommenderModel in a YAML or JSON text; other documents beside it are passed over.

    Raises:
        ManifestError: with everything that is wrong, not only the first.
    """
    document = _as_json(_find_document(text))
    try:
        manifest = RecommenderModelManifest.model_validate_json(document, strict=True, by_name=False)
    except ValidationError as error:
        raise ManifestError(problems_of(error, RecommenderModelManifest)) from error
    if problems := validate_spec(manifest.spec, cluster=cluster):
        raise ManifestError(problems)
    return manifest


def _find_document(text: str) -> dict[str, object]:
    """The one document of our kind."""
    try:
        documents = list(read_documents(text))
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError([Problem("manifest", f"is not YAML; correct this: {said_of(error)}")]) from error
    found = [item for item in documents if isinstance(item, dict) and item.get("kind") == KIND]
    if len(found) != 1:
        others = "" if found else _other_kinds(documents)
        raise ManifestError([Problem("kind", f"{len(found)} documents of kind {KIND} found{others}; give exactly one")])
    return found[0]


def _other_kinds(documents: list[object]) -> str:
    """What there is instead, each once."""
    kinds = Counter(str(item.get("kind", _NO_KIND)) if isinstance(item, dict) else _NO_KIND for item in documents)
    named = [kind if count == 1 else f"{kind} ({count})" for kind, count in kinds.items()]
    return f", but {', '.join(named)}" if named else ""


def _as_json(document: dict[str, object]) -> str:
    """What the API server makes of it: YAML can say more than JSON, and a field that is null is one that is absent."""
    try:
        return json.dumps(json.loads(json.dumps(document, default=str), object_hook=_without_nulls))
    except (TypeError, ValueError) as error:
        fix = "write keys as plain words, and no alias inside of what it stands for"
        raise ManifestError([Problem("manifest", f"is YAML that JSON cannot say ({error}); {fix}")]) from error


def _without_nulls(mapping: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in mapping.items() if value is not None}
