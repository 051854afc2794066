"""The chart as an administrator gets it: rendered by Helm's own library, without a cluster."""

from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "recsys-operator"
RELEASE_NAMESPACE = "recsys-system"
Manifest = dict[str, Any]


def render(**values: Any) -> list[Manifest]:
    """Every object of a release with these values.

    Raises:
        helm.HelmError: the values are refused.
    """
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(chart.merge_values(values))
        files = chart.render(values, name="recsys", namespace=RELEASE_NAMESPACE)
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def of_kind(objects: list[Manifest], kind: str) -> list[Manifest]:
    """The objects of a kind."""
    return [manifest for manifest in objects if manifest["kind"] == kind]


def permissions(role: Manifest) -> set[tuple[str, str]]:
    """(resource, verb) of a role; resources with their group where it is not core: jobs.batch."""
    return {
        (f"{resource}.{group}" if group else resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
