"""The three kinds: names, columns, subresources and rules around the schemas that `crd_schema` makes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from recsys_api.crd_schema import Schema, bound, structural_schema
from recsys_api.model_action import ModelActionSpec, ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionSpec, ModelVersionStatus
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_types import Rule
from recsys_api.rules import ACTION_RULES, NAME_RULE, RULES, VERSION_RULES

GROUP = "recsys.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


@dataclass(frozen=True)
class Kind:
    """Everything about a kind that its schema does not say."""

    name: str
    plural: str
    short: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    rules: tuple[Rule, ...]
    columns: tuple[tuple[str, str, str], ...]
    """(header, type, JSON path)."""
    root_rules: tuple[Rule, ...] = ()
    scale: bool = False
    opaque: tuple[str, ...] = ()
    """Fields of the spec whose schema stays open."""


_AGE = ("Age", "date", ".metadata.creationTimestamp")

KINDS = (
    Kind(
        name="RecommenderModel",
        plural="recommendermodels",
        short="recm",
        description="A recommender model that is trained, judged, rolled out and rolled back from this one manifest.",
        spec=RecommenderModelSpec,
        status=RecommenderModelStatus,
        rules=RULES,
        root_rules=(NAME_RULE,),
        columns=(
            ("Stable", "string", ".status.stable"),
            ("Candidate", "string", ".status.candidate"),
            ("Weight", "integer", ".status.weight"),
            ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
            ("Reason", "string", ".status.reason"),
            _AGE,
        ),
        scale=True,
    ),
    Kind(
        name="ModelVersion",
        plural="modelversions",
        short="mv",
        description="One trained version of a RecommenderModel: what it was made from and what became of it.",
        spec=ModelVersionSpec,
        status=ModelVersionStatus,
        rules=VERSION_RULES,
        columns=(
            ("Model", "string", ".spec.modelName"),
            ("Number", "integer", ".spec.number"),
            ("Phase", "string", ".status.phase"),
            ("Reason", "string", ".status.reason"),
            ("NDCG@10 (offline)", "number", r".status.offline.ndcg\@10.value"),
            _AGE,
        ),
        # A record of its day: a later schema must neither prune nor default what an older release wrote.
        opaque=("source",),
    ),
    Kind(
        name="ModelAction",
        plural="modelactions",
        short="ma",
        description="One verb for one RecommenderModel, done once: roll back, promote, pause, pin, retrain and others.",
        spec=ModelActionSpec,
        status=ModelActionStatus,
        rules=ACTION_RULES,
        columns=(
            ("Model", "string", ".spec.modelName"),
            ("Verb", "string", ".spec.verb"),
            ("Version", "string", ".spec.version"),
            ("Phase", "string", ".status.phase"),
            _AGE,
        ),
    ),
)


def build_crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["recsys"],
            },
            "versions": [_build_version(kind)],
        },
    }


def _build_version(kind: Kind) -> dict[str, Any]:
    columns = [{"name": name, "type": of, "jsonPath": path} for name, of, path in kind.columns]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": build_schema(kind)},
        "subresources": _build_subresources(kind),
        "additionalPrinterColumns": columns,
    }


def _build_subresources(kind: Kind) -> dict[str, Any]:
    scale = {
        "specReplicasPath": ".spec.serving.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    return {"status": {}, "scale": scale} if kind.scale else {"status": {}}


def build_schema(kind: Kind) -> Schema:
    """The schema of a kind's objects, rules included."""
    spec = bound(structural_schema(kind.spec))
    for name in kind.opaque:
        description = spec["properties"][name]["description"]
        spec["properties"][name] = {
            "description": description,
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
        }
    schema: Schema = {
        "description": kind.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": without_defaults(bound(structural_schema(kind.status))),
        },
    }
    add_rules(schema, kind.rules)
    if kind.root_rules:
        schema["x-kubernetes-validations"] = [_build_validation(rule) for rule in kind.root_rules]
    return schema


def without_defaults(schema: Schema) -> Schema:
    """Status has no defaults: the API server would add to what the operator wrote, and every pass would differ."""
    result: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: without_defaults(child) for name, child in value.items()}
        elif key != "default":
            result[key] = without_defaults(value) if isinstance(value, dict) else value
    return result


def add_rules(schema: Schema, rules: Iterable[Rule]) -> None:
    """Put each rule at its places; keywords that a rule says better go."""
    for rule in rules:
        for path in rule.paths if rule.cel else ():
            place = _schema_at(schema, path)
            place.setdefault("x-kubernetes-validations", []).append(_build_validation(rule))
            for keyword in rule.replaces:
                place.pop(keyword, None)


def _schema_at(schema: Schema, path: str) -> Schema:
    for segment in path.split("."):
        schema = schema["properties"][segment.removesuffix("[]")]
        schema = schema["items"] if segment.endswith("[]") else schema
    return schema


def _build_validation(rule: Rule) -> dict[str, str]:
    validation = {"rule": rule.cel, "message": rule.message}
    return {**validation, "fieldPath": f".{rule.field}"} if rule.field else validation
