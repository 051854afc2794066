"""The chart renders, refuses wrong values and runs the operator as the operator expects."""

from typing import Any

import helm_python as helm
import pytest
import yaml
from tests.chart.rendering import CHART, RELEASE_NAMESPACE, Manifest, of_kind, render

from recsys_api.crd import crd_files
from recsys_operator.settings import PREFIX, Settings, read_settings


def _pod(**values: Any) -> Manifest:
    (deployment,) = of_kind(render(**values), "Deployment")
    template: Manifest = deployment["spec"]["template"]
    return template


def _environment(**values: Any) -> dict[str, str]:
    """What the container would see; fields of the pod as placeholders."""
    (container,) = _pod(**values)["spec"]["containers"]
    return {item["name"]: item.get("value", "from-the-pod") for item in container["env"]}


@pytest.mark.parametrize(
    "values", [{}, {"scope": "Namespaced", "watchNamespaces": ["shop"]}], ids=["Cluster", "Namespaced"]
)
def test_lint_finds_nothing(values: Manifest) -> None:
    report = helm.lint(str(CHART), values, strict=True)
    assert report["errors"] == []
    assert [found for found in report["messages"] if found["severity"] > 1] == []


@pytest.mark.parametrize(
    "values",
    [
        {"scop": "Cluster"},
        {"scope": "Everywhere"},
        {"watchNamespaces": ["shop"]},
        {"scope": "Namespaced", "watchNamespaces": ["Shop"]},
        {"scope": "Namespaced", "watchNamespaces": ["shop", "shop"]},
        {"images": {"operator": {"repo": "x"}}},
        {"images": {"operator": {"repository": "x:latest"}}},
        {"images": {"operator": {"reference": "two words"}}},
        {"imagePullPolicy": "Sometimes"},
        {"gateway": {"metrics": {"port": 0}}},
        {"gateway": {"metrics": {"port": "19001"}}},
        {"gateway": {"metrics": {"selector": {"app": 5}}}},
        {"gateway": {"metrics": {"namespace": "edge"}}},
        {"gateway": {"metrics": {"namespaces": []}}},
        {"gateway": {"metrics": {"namespaces": ["edge", "edge"]}}},
        {"gateway": {"metrics": {"namespaces": ["a,b"]}}},
        {"operator": {"workers": 0}},
        {"operator": {"leaseSeconds": "8"}},
        {"operator": {"relist": 60}},
        {"serving": {"tritonStartSeconds": 0}},
        {"serving": {"startSeconds": 60}},
        {"logLevel": "debug"},
        {"replicas": 2},
        {"resources": {"request": {"cpu": 1}}},
        {"serviceAccount": {"create": False}},
        {"crds": {"install": "yes"}},
    ],
    ids=str,
)
def test_wrong_value_is_refused(values: Manifest) -> None:
    with pytest.raises(helm.HelmError):
        render(**values)


def test_crds_are_those_of_the_repository() -> None:
    """Beside what Helm adds to the metadata."""
    rendered = {crd["metadata"]["name"]: crd["spec"] for crd in of_kind(render(), "CustomResourceDefinition")}
    expected = [yaml.safe_load(text) for text in crd_files().values()]
    assert rendered == {crd["metadata"]["name"]: crd["spec"] for crd in expected}


def test_crds_outlive_the_release() -> None:
    """Deleting them would delete every model."""
    for crd in of_kind(render(), "CustomResourceDefinition"):
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_crds_can_be_left_to_somebody_else() -> None:
    assert of_kind(render(crds={"install": False}), "CustomResourceDefinition") == []


def test_one_pod_acts_and_two_never_overlap() -> None:
    (deployment,) = of_kind(render(), "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_pod_is_restricted() -> None:
    """Pod Security `restricted`, and a root file system that nobody can write."""
    spec = _pod()["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_ask_the_metrics_port() -> None:
    (container,) = _pod()["spec"]["containers"]
    assert container["ports"] == [{"name": "metrics", "containerPort": 8080}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_service_finds_the_pod() -> None:
    objects = render()
    (service,) = of_kind(objects, "Service")
    labels = of_kind(objects, "Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_labels_of_a_user_cannot_break_the_selector() -> None:
    pod = _pod(podLabels={"app.kubernetes.io/name": "other", "team": "ml"})
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "recsys-operator"
    assert pod["metadata"]["labels"]["team"] == "ml"


def test_operator_does_not_take_itself_for_something_it_made() -> None:
    """It watches everything with managed-by recsys-operator."""
    for manifest in render():
        assert manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_operator_reads_its_environment() -> None:
    settings = read_settings(_environment())
    assert settings.trainer_image == "recsys/trainer:0.1.0"
    assert settings.serving_image == "recsys/serving:0.1.0"
    assert settings.watch_namespaces == ()
    assert settings.gateway_namespaces == ("envoy-gateway-system",)
    assert settings.gateway_port == 19001
    assert settings.metrics_port == 8080


def test_the_time_that_a_tritonserver_may_take_reaches_the_operator() -> None:
    assert read_settings(_environment()).triton_start_seconds == 600
    longest = _environment(serving={"tritonStartSeconds": 86400})
    assert longest["RECSYS_TRITON_START_SECONDS"] == "86400"
    assert read_settings(longest).triton_start_seconds == 86400


TUNED = {"workers": "workers", "leaseSeconds": "lease_seconds", "relistSeconds": "relist_seconds"}
"""Setting of the operator by value of the chart."""


@pytest.mark.parametrize("value", TUNED)
def test_what_is_tuned_reaches_the_operator_and_has_its_defaults_and_limits(value: str) -> None:
    field, name = Settings.model_fields[TUNED[value]], TUNED[value]
    lowest, highest = field.metadata[0].ge, field.metadata[1].le
    assert getattr(read_settings(_environment()), name) == field.default
    for given in (lowest, highest):
        assert getattr(read_settings(_environment(operator={value: given})), name) == given
    for refused in (lowest - 1, highest + 1):
        with pytest.raises(helm.HelmError):
            render(operator={value: refused})


def test_the_chart_sets_every_variable_of_the_operator_but_those_of_its_own_pod() -> None:
    """The port is the one that its probes and Service name, at all addresses."""
    ours = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    assert ours - set(_environment()) == {"RECSYS_METRICS_PORT", "RECSYS_METRICS_ADDRESS"}
    assert {name for name in _environment() if name.startswith(PREFIX)} <= ours


def test_namespaces_of_proxies_reach_the_operator() -> None:
    several = _environment(gateway={"metrics": {"namespaces": ["edge", "shop"]}})
    assert read_settings(several).gateway_namespaces == ("edge", "shop")


def test_gateway_selector_is_the_operators_default() -> None:
    given = read_settings(_environment()).gateway_selector
    default = read_settings({"RECSYS_TRAINER_IMAGE": "x", "RECSYS_SERVING_IMAGE": "x"}).gateway_selector
    assert set(given.split(",")) == set(default.split(","))


def test_counters_of_the_gateway_can_be_switched_off() -> None:
    assert read_settings(_environment(gateway={"metrics": {"enabled": False}})).gateway_port == 0


@pytest.mark.parametrize(("watched", "expected"), [(["shop", "media"], ("shop", "media")), ([], (RELEASE_NAMESPACE,))])
def test_watched_namespaces_reach_the_operator(watched: list[str], expected: tuple[str, ...]) -> None:
    settings = read_settings(_environment(scope="Namespaced", watchNamespaces=watched))
    assert settings.watch_namespaces == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (
            {"repository": "registry.example.com:5000/team/trainer", "tag": "2"},
            "registry.example.com:5000/team/trainer:2",
        ),
        ({"tag": ""}, "recsys/trainer:0.1.0"),
        ({"reference": "x/y@sha256:00", "tag": "2"}, "x/y@sha256:00"),
    ],
)
def test_image_is_one_reference(image: Manifest, expected: str) -> None:
    assert _environment(images={"trainer": image})["RECSYS_TRAINER_IMAGE"] == expected


def test_notes_name_what_was_installed() -> None:
    with helm.Chart.load(CHART) as chart:
        files = chart.render({}, name="recsys", namespace=RELEASE_NAMESPACE)
    notes = files["recsys-operator/templates/NOTES.txt"]
    assert "rollout status deployment/recsys-recsys-operator" in notes
    assert "all namespaces" in notes
