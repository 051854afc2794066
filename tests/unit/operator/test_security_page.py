"""The policy of the security page: its fields exist, it is bound, and it is asked about everything that runs an image.

Whether its expressions compile is a matter for the API server (tests/cluster).
"""

import re
from typing import Any

import pytest
from kubernetes import client
from tests.manifests.case import Manifest
from tests.manifests.policies import image_policy
from tests.unit.operator.views import version_view

from recsys_operator.core.decision import EnsureServing, StartJob
from recsys_operator.resources.jobs import Images, build_job
from recsys_operator.resources.kinds import KINDS
from recsys_operator.resources.serving import ServingOptions, build_deployment

VERSION = version_view()
MADE = (
    build_job("shop", VERSION, StartJob(VERSION.name, "train"), None, Images("trainer:1")),
    build_deployment("shop", VERSION, EnsureServing(VERSION.name, 1), ServingOptions()),
)


def unknown_fields(value: Any, kind: str, path: str) -> list[str]:
    """Places that the type does not have, as Kubernetes' own client describes it."""
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        return [found for n, item in enumerate(value) for found in unknown_fields(item, inner[1], f"{path}[{n}]")]
    described = getattr(client, kind, None)
    if described is None or not isinstance(value, dict):
        return []
    fields = {outside: described.openapi_types[name] for name, outside in described.attribute_map.items()}
    return [
        found
        for key, part in value.items()
        for found in (
            [f"{path}.{key}"] if key not in fields else unknown_fields(part, fields[key], f"{path}.{key}")
        )
    ]  # fmt: skip


def test_every_field_is_one_of_kubernetes() -> None:
    for manifest in image_policy():
        assert manifest["apiVersion"] == "admissionregistration.k8s.io/v1"
        assert unknown_fields(manifest, f"V1{manifest['kind']}", manifest["kind"]) == []
    assert unknown_fields({"spec": {"validation": []}}, "V1ValidatingAdmissionPolicy", "") == [".spec.validation"]


def test_it_is_bound_and_refuses() -> None:
    policy, binding = image_policy()
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


@pytest.mark.parametrize("made", MADE, ids=lambda made: str(made["kind"]))
def test_it_is_asked_about_what_the_operator_makes_and_about_its_pods(made: Manifest) -> None:
    policy, _ = image_policy()
    (condition,) = policy["spec"]["matchConditions"]
    (label,) = re.findall(r"'([^']+)' in object.metadata.labels", condition["expression"])
    assert label in made["metadata"]["labels"]
    assert label in made["spec"]["template"]["metadata"]["labels"]
    asked = {
        (group, resource)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if "CREATE" in rule["operations"]
    }
    assert {(KINDS[kind].group, KINDS[kind].plural) for kind in ("Pod", made["kind"])} <= asked
