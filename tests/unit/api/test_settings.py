"""Every setting, by the published schema: whatever is wrong with it is one sentence with field, value and way out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.manifests.good import good_model

from recsys_api.manifest import ManifestError, parse_manifest

CRD = Path(__file__).resolve().parents[3] / "crds/recsys.dev_recommendermodels.yaml"
SHOWN = 80
Node = dict[str, Any]


def leaves(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    for name, below in node.get("properties", {}).items():
        if below.get("properties"):
            yield from leaves(below, (*path, name))
        elif "type" in below:
            yield (*path, name), below


def wrong_values(node: Node) -> Iterator[Any]:
    """Values of another type, beyond the bounds, and outside of the choice."""
    kind = node["type"]
    if kind in ("integer", "number"):
        yield from ("7", True, [1])
        for bound, beyond in (("minimum", -1), ("maximum", 1)):
            if bound in node:
                yield node[bound] if node.get(f"exclusive{bound.capitalize()}") else node[bound] + beyond
    if kind == "integer":
        yield 1.5
    if kind == "boolean":
        yield from ("true", 1)
    if kind == "string":
        yield from (7, True, None if node.get("nullable") else {"a": 1})
        if "enum" in node:
            yield "NoSuchThing"
        elif "maxLength" in node:
            yield "x" * (node["maxLength"] + 1)
    if kind == "array":
        yield from ("x", 3, {"a": 1})


def cases() -> Iterator[tuple[str, Any]]:
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path, node in leaves(schema["properties"]["spec"]):
        for value in wrong_values(node):
            yield ".".join(path), value


CASES = list(cases())


@pytest.mark.parametrize(("path", "value"), CASES, ids=[f"{path}={json.dumps(value)[:20]}" for path, value in CASES])
def test_a_wrong_value_is_named_with_its_field_and_what_to_write_instead(path: str, value: Any) -> None:
    manifest = good_model()
    *parents, name = path.split(".")
    at = manifest["spec"]
    for part in parents:
        at = at.setdefault(part, {})
    at[name] = value
    with pytest.raises(ManifestError) as caught:
        parse_manifest(json.dumps(manifest))
    found = [problem for problem in caught.value.problems if problem.field == f"spec.{path}"]
    assert found, caught.value.problems
    assert json.dumps(value)[:SHOWN] in found[0].message
    assert "; " in found[0].message
    assert "\n" not in str(found[0])


def test_the_schema_was_walked() -> None:
    assert len({path for path, _ in CASES}) > 100
