"""What serves a version."""

from typing import Any

import pytest
from tests.unit.operator.views import TEMPLATE, model_spec, version_view

from recsys_api.spec.serving import Autoscaling
from recsys_operator.core.decision import EnsureServing
from recsys_operator.resources import serving
from recsys_operator.resources.kinds import Manifest

ACT = EnsureServing("movies-0123456789", 2)
SCALING = Autoscaling(min_replicas=2, max_replicas=5)


def deployment(act: EnsureServing = ACT, **options: Any) -> Manifest:
    """The Deployment of the usual version."""
    return serving.build_deployment("shop", version_view(), act, serving.ServingOptions(**options))


def containers(manifest: Manifest) -> dict[str, Manifest]:
    """By name, the init container among them."""
    pod = manifest["spec"]["template"]["spec"]
    return {container["name"]: container for container in (*pod["initContainers"], *pod["containers"])}


def test_fetch_then_triton_and_api_from_one_image() -> None:
    made = containers(deployment())
    assert list(made) == ["fetch", "triton", "api"]
    assert {container["image"] for container in made.values()} == {"serving:1"}
    assert made["triton"]["command"] == ["python3", "-m", "recsys_serving.supervisor"]


def test_the_environment_is_the_contracts() -> None:
    env = {entry["name"]: entry for entry in containers(deployment())["api"]["env"]}
    uri = "s3://models/shop/movies/movies-0123456789-uid-of-movies-0123456789/artifact"
    assert env["RECSYS_ARTIFACT_URI"]["value"] == uri
    assert env["RECSYS_REQUEST_TIMEOUT_MILLISECONDS"]["value"] == "800"
    assert env["RECSYS_TOP_K"]["value"] == "50"
    key = env["RECSYS_BUCKET_KEY"]["valueFrom"]["secretKeyRef"]
    assert key == {"name": "movies-keys", "key": "bucket"}


@pytest.mark.parametrize(
    ("recorded", "secrets"),
    [(None, [{"secretRef": {"name": "s3"}}]), ("rotated", [{"secretRef": {"name": "rotated"}}]), ("", None)],
)
def test_the_secret_is_that_of_the_template_or_in_older_ones_of_the_spec(
    recorded: str | None, secrets: list[Manifest] | None
) -> None:
    template = TEMPLATE.model_copy(update={"credentials_secret": recorded})
    made = serving.build_deployment("shop", version_view(template=template), ACT, serving.ServingOptions())
    assert containers(made)["fetch"].get("envFrom") == secrets


def test_a_pod_is_replaced_before_it_goes() -> None:
    spec = deployment()["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["replicas"] == 2


def test_probes_ask_the_api() -> None:
    api = containers(deployment())["api"]
    assert api["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert "livenessProbe" not in containers(deployment())["triton"]


@pytest.mark.parametrize("seconds", [600, 1800])
def test_the_api_waits_longer_for_a_tritonserver_than_its_supervisor(seconds: int) -> None:
    template = TEMPLATE.model_copy(update={"triton_start_seconds": seconds})
    made = containers(serving.build_deployment("shop", version_view(template=template), ACT, serving.ServingOptions()))
    (given,) = [each["value"] for each in made["triton"]["env"] if each["name"] == "RECSYS_TRITON_START_SECONDS"]
    probe = made["api"]["startupProbe"]
    assert given == str(seconds)
    assert probe["failureThreshold"] * probe["periodSeconds"] == seconds + serving.WARM_SECONDS


def test_pods_of_a_template_from_before_it_said_how_long_are_as_they_were() -> None:
    made = containers(deployment())
    assert TEMPLATE.triton_start_seconds is None
    assert not [each for one in made.values() for each in one["env"] if each["name"] == "RECSYS_TRITON_START_SECONDS"]
    assert made["api"]["startupProbe"]["failureThreshold"] == 600


@pytest.mark.parametrize(("recorded", "pulled"), [("Never", "Never"), (None, "Always")], ids=["recorded", "before"])
def test_a_changed_pull_policy_restarts_no_pod_whose_template_has_one(recorded: str | None, pulled: str) -> None:
    template = TEMPLATE.model_copy(update={"image_pull_policy": recorded})
    today = serving.ServingOptions(pull_policy="Always")
    made = containers(serving.build_deployment("shop", version_view(template=template), ACT, today))
    assert {each["imagePullPolicy"] for each in made.values()} == {pulled}


def test_only_what_must_be_writable_is() -> None:
    made = containers(deployment())
    for container in made.values():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/models", "/tmp", "/dev/shm"]
    assert made["fetch"]["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert "envFrom" not in made["api"]


def test_the_api_has_small_requests_and_no_cpu_limit_and_triton_a_limit_equal_to_its_request() -> None:
    made = containers(deployment())
    assert made["api"]["resources"] == {"requests": {"cpu": "100m", "memory": "256Mi"}}
    assert made["triton"]["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "500m"}}


def test_pods_are_a_function_of_the_recorded_template_alone() -> None:
    before = serving.build_deployment("shop", version_view(), ACT, serving.ServingOptions())
    other = version_view(spec=model_spec(serving={"topK": 7, "resources": {"requests": {"cpu": "9"}}}))
    after = serving.build_deployment("shop", other, ACT, serving.ServingOptions(autoscaling=SCALING))
    assert after["spec"]["template"] == before["spec"]["template"]
    assert before["metadata"]["annotations"] == {"recsys.dev/template-revision": "r1"}


def test_a_size_that_an_autoscaler_owns_is_not_written() -> None:
    assert "replicas" not in deployment(autoscaling=SCALING)["spec"]
    assert deployment(EnsureServing("v", 0), autoscaling=SCALING)["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("act", "low", "high"), [(ACT, 2, 5), (EnsureServing("v", 2, minimum=4), 4, 5), (EnsureServing("v", 2, 9), 9, 9)]
)
def test_an_autoscaler_keeps_the_minimum_of_a_rollout(act: EnsureServing, low: int, high: int) -> None:
    spec = serving.build_autoscaler("shop", version_view(), act, SCALING)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (low, high)
    assert spec["scaleTargetRef"]["name"] == "movies-0123456789"


def test_a_version_without_a_recorded_template_is_refused() -> None:
    with pytest.raises(ValueError, match=r"status\.template is absent"):
        serving.build_deployment("shop", version_view(template=None), ACT, serving.ServingOptions())


def test_services_select_one_version_and_nothing_else() -> None:
    selector = serving.build_service("shop", version_view())["spec"]["selector"]
    assert selector == deployment()["spec"]["selector"]["matchLabels"]
    stable = serving.build_stable_service("shop", "movies", "uid", "movies-0123456789")
    assert stable["metadata"]["name"] == "movies-stable"
    assert stable["spec"]["selector"] == selector


def test_keys_are_hexadecimal_text() -> None:
    made = serving.build_keys("shop", "movies", "uid", b"\x01" * 32, b"\x02" * 32)
    assert made["stringData"] == {"bucket": "01" * 32, "token": "02" * 32}
    assert made["metadata"]["ownerReferences"][0]["kind"] == "RecommenderModel"
