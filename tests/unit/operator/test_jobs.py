"""Jobs and what they are told."""

import json
import re
from typing import Any

import pytest
from tests.unit.operator.views import model_spec, version_view

from recsys_api.run_spec import RunSpec
from recsys_operator.core.decision import StartJob
from recsys_operator.resources.jobs import Images, build_headless_service, build_job, build_run_spec
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.pods import build_claims
from recsys_trainer.arguments import read_arguments

IMAGES = Images("trainer:1")
GPU_TRAINING = {
    "nodes": 2, "gpusPerNode": 4, "deadlineSeconds": 300, "backoffLimit": 2, "queueName": "team-a",
    "resources": {"requests": {"cpu": "4", "memory": "8Gi"}, "limits": {"memory": "8Gi"}},
    "podTemplate": {
        "metadata": {"labels": {"team": "a", "recsys.dev/model": "stolen"}, "annotations": {"note": "x"}},
        "nodeSelector": {"gpu": "yes"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "serviceAccountName": "trainer", "imagePullSecrets": [{"name": "pull"}],
    },
}  # fmt: skip


def job(stage: str, training: dict[str, Any] | None = None, **act: Any) -> Manifest:
    """The Job of a stage."""
    spec = model_spec(training=training or {})
    return build_job("shop", version_view(spec=spec), StartJob("movies-0123456789", stage, **act), None, IMAGES)  # type: ignore[arg-type]


def container(manifest: Manifest) -> Manifest:
    """The trainer's container."""
    found: Manifest = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


def test_training_on_two_nodes_is_an_indexed_job_with_gpus_and_a_way_to_rank_0() -> None:
    made = job("train", GPU_TRAINING)
    spec = made["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert container(made)["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "4"}
    assert spec["template"]["spec"]["subdomain"] == made["metadata"]["name"]
    env = {entry["name"]: entry["value"] for entry in container(made)["env"]}
    assert env["MASTER_ADDR"] == "movies-0123456789-train-0.movies-0123456789-train"
    service = build_headless_service("shop", version_view(), StartJob("movies-0123456789", "train"))
    assert service["metadata"]["name"] == made["metadata"]["name"]


@pytest.mark.parametrize("stage", ["prepare", "evaluate"])
def test_other_stages_take_one_node_and_no_gpu(stage: str) -> None:
    made = job(stage, GPU_TRAINING, key="k1")
    assert made["spec"]["completions"] == 1
    assert container(made)["resources"] == {"requests": {"cpu": "4", "memory": "8Gi"}, "limits": {"memory": "8Gi"}}


def test_a_training_pod_is_told_where_to_answer_metrics_and_names_the_port() -> None:
    made = container(job("train"))
    assert made["ports"] == [{"name": "metrics", "containerPort": 8080, "protocol": "TCP"}]
    assert {"name": "RECSYS_METRICS_PORT", "value": "8080"} in made["env"]
    for stage in ("prepare", "evaluate"):
        other = container(job(stage))
        assert "ports" not in other
        assert "RECSYS_METRICS_PORT" not in [entry["name"] for entry in other["env"]]


def test_failures_of_the_user_end_the_job_and_disruptions_do_not_count() -> None:
    ignore, fail = job("train")["spec"]["podFailurePolicy"]["rules"]
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert fail["action"] == "FailJob"
    assert fail["onExitCodes"] == {"containerName": "trainer", "operator": "In", "values": [*range(64, 79), 137]}
    assert job("train")["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_deadline_retries_and_queue_are_those_of_the_spec() -> None:
    made = job("train", GPU_TRAINING)
    assert (made["spec"]["activeDeadlineSeconds"], made["spec"]["backoffLimit"]) == (300, 2)
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert "ttlSecondsAfterFinished" not in made["spec"]


def test_the_pod_is_restricted_and_holds_no_api_token() -> None:
    pod = job("prepare")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(job("prepare"))["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container(job("prepare"))["terminationMessagePolicy"] == "File"


def test_the_users_pod_template_is_merged_but_our_labels_win() -> None:
    template = job("train", GPU_TRAINING)["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["labels"]["recsys.dev/model"] == "movies"
    assert template["metadata"]["annotations"]["note"] == "x"
    assert template["spec"]["nodeSelector"] == {"gpu": "yes"}
    assert template["spec"]["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert template["spec"]["serviceAccountName"] == "trainer"
    assert template["spec"]["imagePullSecrets"] == [{"name": "pull"}]


def test_credentials_come_from_the_datas_secret_first_and_the_artifacts_secret_wins() -> None:
    data = {"source": {"uri": "s3://lake/", "credentialsSecretRef": {"name": "lake"}}}
    spec = model_spec(data=data)
    made = build_job("shop", version_view(spec=spec), StartJob("v", "prepare"), None, IMAGES)
    assert container(made)["envFrom"] == [{"secretRef": {"name": "lake"}}, {"secretRef": {"name": "s3"}}]


def test_claims_are_mounted_where_the_trainer_looks() -> None:
    spec = model_spec(data={"source": {"uri": "pvc://lake/a/b"}}, artifacts={"uri": "pvc://models"})
    made = build_job("shop", version_view(spec=spec), StartJob("v", "prepare"), None, IMAGES)
    mounts = {mount["mountPath"]: mount["name"] for mount in container(made)["volumeMounts"]}
    assert mounts["/pvc/lake"] == "pvc-lake"
    assert mounts["/pvc/models"] == "pvc-models"
    assert "envFrom" not in container(made)


@pytest.mark.parametrize("claim", ["data.team-a", "c" * 60, ".".join(["d" * 63] * 3)])
def test_a_claim_whose_name_is_none_for_a_volume_is_mounted_by_another(claim: str) -> None:
    """A Job with such a volume would be refused by the API server when it is made."""
    volumes, mounts = build_claims((f"pvc://{claim}/a", "pvc://plain"), read_only=True)
    assert {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in volumes}["pvc-plain"] == "plain"
    assert {mount["mountPath"] for mount in mounts} == {f"/pvc/{claim}", "/pvc/plain"}
    assert [mount["name"] for mount in mounts] == [volume["name"] for volume in volumes]
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", volume["name"]) for volume in volumes)
    assert len({volume["name"] for volume in volumes}) == 2


def test_operational_settings_are_todays_and_the_data_is_the_versions() -> None:
    today = model_spec(training={"deadlineSeconds": 60}, data={"source": {"uri": "s3://elsewhere/"}})
    made = build_job("shop", version_view(), StartJob("v", "train"), today, IMAGES)
    assert made["spec"]["activeDeadlineSeconds"] == 60
    run = build_run_spec("shop", version_view(), today, "", None)
    assert run.spec.data.source.uri == "s3://lake/interactions/"


def test_a_secret_that_is_named_anew_is_that_of_the_next_attempt() -> None:
    """Its name is no part of what a version is: a Retry is all that is left to who corrects it."""
    today = model_spec(artifacts={"uri": "s3://models/", "credentialsSecretRef": {"name": "rotated"}})
    made = build_job("shop", version_view(), StartJob("v", "train"), today, IMAGES)
    assert container(made)["envFrom"] == [{"secretRef": {"name": "rotated"}}]


def test_a_job_is_told_of_the_nodes_that_it_has() -> None:
    today = model_spec(training={"nodes": 2, "tables": "Sharded", "checkpointSeconds": 30, "epochs": 99})
    made = build_job("shop", version_view(), StartJob("v", "train"), today, IMAGES)
    told = build_run_spec("shop", version_view(), today, "", None).spec.training
    assert made["spec"]["completions"] == told.nodes == 2
    assert (told.tables, told.checkpoint_seconds) == ("Sharded", 30)
    assert told.epochs == 20, "that is the version's"


def test_an_evaluation_is_told_todays_gates_and_the_stable_version() -> None:
    gates = {"gates": [{"name": "a", "metric": {"name": "NDCG", "k": 10}, "atLeast": "0.1"}]}
    run = build_run_spec("shop", version_view(), model_spec(evaluation=gates), "k1", version_view("movies-stable"))
    assert run.spec.evaluation.gates[0].at_least == "0.1"
    assert run.evaluation_key == "k1"
    assert run.stable is not None
    assert run.stable.version_uri == "s3://models/shop/movies/movies-stable-uid-of-movies-stable"


def test_a_job_carries_what_it_was_told_beside_the_users_annotations() -> None:
    spec = model_spec(training={"podTemplate": {"metadata": {"annotations": {"team": "films"}}}})
    made = build_job(
        "shop",
        version_view(spec=spec),
        StartJob("v", "evaluate", key="k1"),
        None,
        IMAGES,
        version_view("movies-stable"),
    )
    template = made["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    told = RunSpec.model_validate(json.loads(annotations["recsys.dev/run"]))
    assert annotations["team"] == "films"
    assert told == build_run_spec("shop", version_view(spec=spec), None, "k1", version_view("movies-stable"))
    volume = next(volume for volume in template["spec"]["volumes"] if volume["name"] == "run")
    item = volume["downwardAPI"]["items"][0]
    assert item == {"path": "run.json", "fieldRef": {"fieldPath": "metadata.annotations['recsys.dev/run']"}}


def test_a_report_job_names_the_stage_and_keeps_attempt_and_key() -> None:
    made = job("report", attempt=2, key="k1", reports_stage="evaluate")
    assert container(made)["args"] == ["report", "evaluate"]
    assert made["metadata"]["labels"]["recsys.dev/component"] == "report"
    assert made["metadata"]["annotations"]["recsys.dev/attempt"] == "2"
    assert made["metadata"]["annotations"]["recsys.dev/key"] == "k1"


@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate"])
def test_the_trainer_understands_what_a_job_calls_it_with(stage: str) -> None:
    again = read_arguments(container(job("report", reports_stage=stage))["args"])
    assert (again.command, again.stage) == ("report", stage)
    assert read_arguments(container(job(stage))["args"]).command == stage
