"""The CRDs are what the types say, and such that an API server takes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.full_statuses import STATUSES

from recsys_api import patterns
from recsys_api.base import Observed
from recsys_api.crd import DIRECTORIES, crd_files, main, stale_files
from recsys_api.crd_kinds import KINDS, Kind, build_schema
from recsys_api.crd_schema import structural_schema
from recsys_api.model_status import CONDITION_TYPES
from recsys_api.rules import RULES
from recsys_api.spec.model import Model
from recsys_api.spec.rollout import Rollout
from recsys_api.telemetry import LATENCY_BUCKETS_MILLISECONDS

Schema = dict[str, Any]
MODEL = KINDS[0]


def _nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """(path, node) of a schema and all below it."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}" if path else name)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


def _spec_nodes(kind: Kind) -> list[tuple[str, Schema]]:
    return list(_nodes(build_schema(kind)["properties"]["spec"], "spec"))


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.parent.name)
def test_files_are_what_the_types_say(directory: Path) -> None:
    """If this fails, run `make crds`: crds/ and the chart's copy are generated."""
    assert stale_files(directory) == []


def test_check_finds_a_stale_file(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    next(tmp_path.iterdir()).write_text("edited by hand")
    assert main(["--check", str(tmp_path)]) == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_schema_is_structural(kind: Kind) -> None:
    for path, node in _nodes(build_schema(kind)):
        assert not node.keys() & {"$ref", "$defs", "title", "const", "oneOf", "allOf", "prefixItems"}, path
        assert ("anyOf" in node) == bool(node.get("x-kubernetes-int-or-string")), path
        assert "type" in node or "x-kubernetes-int-or-string" in node, path
        assert not ("properties" in node and "additionalProperties" in node), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_everything_that_a_rule_may_read_is_bounded(kind: Kind) -> None:
    """The API server estimates a rule's cost from these; without them it refuses the CRD."""
    limits = {"string": ("maxLength", "enum"), "array": ("maxItems",)}
    for path, node in _nodes(build_schema(kind)):
        wanted = limits.get(node.get("type", ""), ())
        if "additionalProperties" in node:
            wanted = ("maxProperties",)
        if path not in ("apiVersion", "kind"):
            assert not wanted or node.keys() & set(wanted), f"{path} has no {wanted}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_of_the_spec_is_described(kind: Kind) -> None:
    missing = [path for path, node in _spec_nodes(kind) if not path.endswith("[]") and "description" not in node]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_status_has_no_defaults(kind: Kind) -> None:
    """The API server would add to what the operator wrote, and every pass would find a difference."""
    status = build_schema(kind)["properties"]["status"]
    assert [path for path, node in _nodes(status) if "default" in node] == []


@pytest.mark.parametrize(
    "path", ["spec.rollout.pinnedVersion", "spec.rollout.paused", "spec.rollout.traffic", "spec.suspend"]
)
def test_operational_field_has_no_default(path: str) -> None:
    """Git must never own it."""
    assert "default" not in dict(_spec_nodes(MODEL))[path]


@pytest.mark.parametrize(
    "path",
    ["spec.evaluation.gates", "spec.rollout.steps", "spec.rollout.slos", "spec.training.podTemplate.imagePullSecrets"],
)
def test_list_of_named_things_is_a_map_to_server_side_apply(path: str) -> None:
    node = dict(_spec_nodes(MODEL))[path]
    assert node["x-kubernetes-list-type"] == "map"
    assert node["x-kubernetes-list-map-keys"] == ["name"]


def test_conditions_are_keyed_by_type() -> None:
    status = build_schema(MODEL)["properties"]["status"]["properties"]["conditions"]
    assert status["x-kubernetes-list-map-keys"] == ["type"]
    assert "Ready" in CONDITION_TYPES


def test_layers_have_no_default_because_gmf_has_none() -> None:
    schema = structural_schema(Model)
    assert "default" not in schema["properties"]["hiddenLayers"]
    assert Model(architecture="GMF").hidden_layers == ()
    assert Model().hidden_layers == Model(architecture="MLP").hidden_layers == (64, 32, 16)


def test_default_of_an_object_holds_the_defaults_of_its_fields() -> None:
    """Rules run on a default before the API server completes it."""
    split = dict(_spec_nodes(MODEL))["spec.data.split"]
    assert split["default"] == {"strategy": "Temporal", "target": "All"}


def test_exclusive_bounds_are_booleans() -> None:
    node = dict(_spec_nodes(MODEL))["spec.data.split.testFraction"]
    assert (node["minimum"], node["exclusiveMinimum"]) == (0, True)
    assert (node["maximum"], node["exclusiveMaximum"]) == (0.5, True)


def test_threshold_is_one_of_the_published_bounds() -> None:
    """So that a threshold never changes a pod."""
    node = dict(_spec_nodes(MODEL))["spec.rollout.slos[].sli.thresholdMilliseconds"]
    assert tuple(node["enum"]) == LATENCY_BUCKETS_MILLISECONDS


def test_a_pattern_is_left_without_a_sentence_only_where_there_are_many_values() -> None:
    """A regular expression tells nobody what to write; a rule for each value of a map would cost the API server too much."""
    left = {path: node["pattern"] for kind in KINDS for path, node in _nodes(build_schema(kind)) if "pattern" in node}
    assert set(left.values()) == patterns.PLAIN
    assert [path for path in left if ".nodeSelector[]" not in path and ".tolerations[]." not in path] == []


def test_keys_of_a_map_are_left_to_the_operator() -> None:
    """A structural schema has no word for them."""
    text = "".join(crd_files().values())
    assert "propertyNames" not in text
    assert "patternProperties" not in text
    assert dict(_spec_nodes(MODEL))["spec.training.podTemplate.nodeSelector"]["additionalProperties"]["maxLength"] == 63


def test_every_rule_stands_at_its_places() -> None:
    nodes = dict(_spec_nodes(MODEL))
    for rule in (rule for rule in RULES if rule.cel):
        for path in rule.paths:
            said = [validation["rule"] for validation in nodes[path]["x-kubernetes-validations"]]
            assert rule.cel in said


def test_words_that_yaml_1_1_takes_for_booleans_are_quoted() -> None:
    """kubectl reads `- n` as false."""
    text = crd_files()["recsys.dev_modelversions.yaml"]
    assert "- 'n'" in text
    assert yaml.safe_load(text)["spec"]["names"]["shortNames"] == ["mv"]


def test_description_comes_from_the_docstring_of_the_field() -> None:
    node = structural_schema(Rollout)["properties"]["bakeSeconds"]
    assert node["description"].startswith("Watched at 100 percent for this long")


@pytest.mark.parametrize("status", [status for _, status in STATUSES], ids=lambda status: type(status).__name__)
def test_full_status_sets_every_field(status: Observed) -> None:
    """tests/cluster writes these to an API server; a new field must be among them."""
    assert type(status).model_fields.keys() - status.model_fields_set == set()
