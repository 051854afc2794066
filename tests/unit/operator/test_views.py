"""Raw objects to views."""

import json
from typing import Any

import pytest
from tests.manifests.bad_operator import OPERATOR_CASES
from tests.manifests.case import Case
from tests.manifests.good import good_model
from tests.unit.operator.views import model_spec, version_view

from recsys_api.run_spec import TrainResult
from recsys_api.spec.serving import Autoscaling
from recsys_operator.adapters.views import (
    seconds_of,
    view_of_action,
    view_of_job,
    view_of_model,
    view_of_pod,
    view_of_serving,
    view_of_version,
)
from recsys_operator.core.decision import EnsureServing, StartJob
from recsys_operator.core.world import AutoscalerView, JobView, VersionView
from recsys_operator.resources.jobs import Images, build_job
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.serving import build_autoscaler

RESULT = json.dumps({"kind": "train", "digest": "sha256:1", "samplesPerSecond": 5.0, "seconds": 1.0, "epochs": 3})


def raw_job(*conditions: tuple[str, str], **status: Any) -> Manifest:
    """A training Job."""
    made = build_job("shop", version_view(), StartJob("movies-0123456789", "train", attempt=2), None, Images("t"))
    made["metadata"] |= {"uid": "job", "resourceVersion": "5", "creationTimestamp": "2026-01-01T00:00:10Z"}
    found = [{"type": kind, "status": "True", "reason": reason} for kind, reason in conditions]
    return made | {"status": {"conditions": found, **status}}


def raw_pod(
    name: str = "p", *, index: str = "0", at: int = 0, state: Manifest | None = None, **status: Any
) -> Manifest:
    """A pod of that Job."""
    metadata = {
        "name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": f"2026-01-01T00:00:{at:02d}Z",
        "annotations": {"batch.kubernetes.io/job-completion-index": index}, "labels": {"recsys.dev/version": "v"},
        "ownerReferences": [{"kind": "Job", "uid": "job", "name": "j", "controller": True}],
    }  # fmt: skip
    containers = [{"name": "trainer", "state": state}] if state else []
    return {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": containers, **status}}


def ended(code: int, reason: str = "Completed", message: str = "") -> Manifest:
    """A terminated container."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def job(pods: list[Manifest], *conditions: tuple[str, str], **status: Any) -> JobView:
    """The view."""
    return view_of_job(raw_job(*conditions, **status), pods)


def test_a_jobs_result_is_what_its_index_0_said() -> None:
    other = raw_pod("other", index="1", at=5, state=ended(0, message="{}"))
    view = job([other, raw_pod(state=ended(0, message=RESULT))], ("Complete", ""))
    assert view.complete
    assert view.result == TrainResult(digest="sha256:1", samples_per_second=5.0, seconds=1.0, epochs=3)
    assert (view.stage, view.attempt, view.version) == ("train", 2, "movies-0123456789")


def test_a_job_that_nobody_has_admitted_yet_is_told_from_one_that_runs() -> None:
    assert job([], ("Suspended", "JobSuspended")).suspended
    assert not job([], active=1).suspended


def test_an_attempt_that_somebody_overwrote_is_the_first() -> None:
    raw = raw_job()
    raw["metadata"]["annotations"]["recsys.dev/attempt"] = "second"
    assert view_of_job(raw, ()).attempt == 1


def test_of_several_attempts_the_newest_pod_counts() -> None:
    pods = [raw_pod("new", at=9, state=ended(71, "Error")), raw_pod("old", at=1, state=ended(143, "Error"))]
    view = job(pods, ("Failed", "PodFailurePolicy"))
    assert (view.exit_code, view.terminated_reason, view.failed, view.failed_reason) == (
        71,
        "Error",
        True,
        "PodFailurePolicy",
    )


def test_out_of_memory_is_told_by_its_reason() -> None:
    view = job([raw_pod(state=ended(137, "OOMKilled"))], ("FailureTarget", "PodFailurePolicy"))
    assert (view.exit_code, view.terminated_reason, view.failed) == (137, "OOMKilled", True)


def test_a_report_that_is_none_is_no_result() -> None:
    view = job([raw_pod(state=ended(0, message='{"kind": "tra'))], ("Complete", ""))
    assert (view.result, view.exit_code) == (None, 0)


def test_pods_of_another_job_do_not_count() -> None:
    foreign = raw_pod(state=ended(65, "Error"))
    foreign["metadata"]["ownerReferences"][0]["uid"] = "other"
    assert job([foreign]).exit_code is None


def test_what_keeps_a_pod_from_starting_is_told() -> None:
    scheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: Insufficient gpu",
    }
    assert job([raw_pod(conditions=[scheduled])]).unschedulable == "0/1 nodes: Insufficient gpu"
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    assert job([raw_pod(state=waiting)]).waiting == "trainer: ImagePullBackOff: no such image"
    assert job([raw_pod(state={"waiting": {"reason": "ContainerCreating"}})]).waiting == ""


def test_a_serving_pod_is_ready_only_while_it_is_not_leaving() -> None:
    pod = raw_pod(conditions=[{"type": "Ready", "status": "True"}], podIP="10.0.0.1")
    pod["status"]["containerStatuses"] = [{"name": "api", "restartCount": 2}, {"name": "triton", "restartCount": 1}]
    view = view_of_pod(pod)
    assert (view.ready, view.restarts, view.ip, view.version) == (True, 3, "10.0.0.1", "v")
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not view_of_pod(pod).ready


def test_how_a_container_ended_is_told() -> None:
    pod = raw_pod()
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    pod["status"]["containerStatuses"] = [
        {"name": "api", "restartCount": 1, "state": {"running": {}}, "lastState": last}
    ]
    assert view_of_pod(pod).last_terminated == "api: OOMKilled (137)"


def test_a_model_whose_spec_does_not_parse_says_why() -> None:
    manifest = {
        "metadata": {"name": "m", "namespace": "shop", "uid": "u", "resourceVersion": "1", "generation": 3},
        "spec": {"data": {}}, "status": {"stable": "v1", "unknownField": 1},
    }  # fmt: skip
    view = view_of_model(manifest)
    assert view.spec is None
    assert view.invalid.startswith("spec.data.source: is missing; add it; spec.")
    assert view.status.stable == "v1"


@pytest.mark.parametrize(
    ("rollout", "manual"),
    [
        ({"traffic": {"management": "Manual"}}, True), ({"traffic": {"management": "Automatic"}}, False), ({}, False),
        ({"traffic": "Manual"}, False), ("Manual", False), (None, False),
    ],
)  # fmt: skip
def test_who_has_the_route_is_read_from_a_spec_that_does_not_parse(rollout: Any, manual: bool) -> None:
    """Or a mistake in another field would have the operator write what a person has taken."""
    view = view_of_model({"metadata": METADATA, "spec": {"data": {}, "rollout": rollout}})
    assert (view.spec, view.manual) == (None, manual)


@pytest.mark.parametrize("case", OPERATOR_CASES, ids=lambda case: case.name)
def test_what_the_api_server_does_not_refuse_the_operator_does(case: Case) -> None:
    manifest = case.apply(good_model())
    manifest["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 3}
    view = view_of_model(manifest)
    assert view.spec is None
    assert [words for words in case.expected if words not in view.invalid] == []


METADATA = {"name": "m", "namespace": "shop", "uid": "u", "resourceVersion": "1"}
DANCING = {"phase": "Dancing"}
"""As a later release may write it."""


def test_a_status_that_does_not_parse_is_not_taken_for_an_empty_one() -> None:
    view = view_of_model({"metadata": METADATA, "spec": {}, "status": {"pinned": DANCING}})
    assert view.unreadable.startswith("RecommenderModel m: status.pinned.")
    spec = version_view(spec=model_spec()).spec.to_dict()
    found = view_of_version({"metadata": METADATA, "spec": spec, "status": DANCING})
    assert isinstance(found, str)
    assert found.startswith("ModelVersion m: status.phase: ")
    assert '"Dancing" is not one of the allowed values; use ' in found


def test_a_version_whose_spec_does_not_parse_says_why() -> None:
    found = view_of_version({"metadata": METADATA, "spec": {}})
    assert isinstance(found, str)
    assert found.startswith("ModelVersion m: spec.modelName: ")


@pytest.mark.parametrize(
    ("section", "values", "texts"),
    [
        ("serving", {"podTemplate": {"nodeSelector": {"a b": "c d"}}}, ("a b", "c d")),
        ("serving", {"podTemplate": {"tolerations": [{"key": "a b", "value": "c d"}]}}, ("a b", "c d")),
        ("serving", {"podTemplate": {"metadata": {"annotations": {"a b": "c"}}}}, ("a b",)),
        ("training", {"queueName": "q" * 64}, ("q" * 64,)),
        ("rollout", {"gateway": {"name": "public", "pathPrefix": "/a/../b"}}, ("/a/../b",)),
        ("artifacts", {"uri": "s3://models/a\u00a0b"}, ("s3://models/a\u00a0b",)),
    ],
)
def test_a_version_is_read_whose_texts_a_later_release_refuses_of_manifests(
    section: str, values: dict[str, Any], texts: tuple[str, ...]
) -> None:
    """One that cannot be read freezes its model, rollbacks too."""
    known = version_view().spec.to_dict()
    source = model_spec().to_dict() | {section: values}
    assert view_of_model({"metadata": METADATA, "spec": source}).invalid
    view = view_of_version({"metadata": METADATA, "spec": known | {"source": source}})
    assert isinstance(view, VersionView)
    read = json.dumps(view.spec.to_dict(), ensure_ascii=False)
    assert [text for text in texts if f'"{text}"' not in read] == []


@pytest.mark.parametrize(
    "manifest", [{"spec": {"verb": "Dance"}}, {"spec": {"verb": "Pause", "modelName": "m"}, "status": DANCING}]
)
def test_an_action_that_does_not_parse_is_not_carried_out(manifest: dict[str, Any]) -> None:
    assert view_of_action({"metadata": METADATA, **manifest}) is None


def test_a_version_is_read_with_its_owner() -> None:
    known = version_view(spec=model_spec())
    owner = {"kind": "RecommenderModel", "uid": "m", "controller": True}
    metadata = {
        "name": known.name, "namespace": "shop", "uid": "u", "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [owner],
    }  # fmt: skip
    view = view_of_version({"metadata": metadata, "spec": known.spec.to_dict(), "status": known.status.to_dict()})
    assert isinstance(view, VersionView)
    assert (view.spec, view.status, view.owner_uid) == (known.spec, known.status, "m")


def test_a_deployment_is_settled_when_its_newest_generation_was_seen() -> None:
    manifest = {
        "metadata": {"name": "v", "uid": "u", "resourceVersion": "1", "generation": 2, "labels": {}},
        "spec": {"replicas": 3}, "status": {"observedGeneration": 1, "readyReplicas": 1},
    }  # fmt: skip
    view = view_of_serving(manifest)
    assert (view.replicas, view.ready, view.settled, view.has_autoscaler) == (3, 1, False, False)


def test_an_autoscaler_is_read_as_it_was_built() -> None:
    version = version_view()
    act, scaling = EnsureServing(version.name, 2, minimum=3), Autoscaling(min_replicas=2, max_replicas=5)
    deployment = {
        "metadata": {"name": version.name, "uid": "u", "resourceVersion": "1"}, "spec": {}, "status": {}
    }  # fmt: skip
    view = view_of_serving(deployment, build_autoscaler("shop", version, act, scaling))
    assert view.autoscaler == AutoscalerView(3, 5, 80)


def test_times_are_utc() -> None:
    assert seconds_of("1970-01-01T00:01:00Z") == 60.0
    assert seconds_of(None) == 0.0
