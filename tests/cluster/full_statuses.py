"""Statuses with every field set: what the operator may write, so that a schema that prunes or refuses some is found."""

from collections.abc import Callable

from tests.manifests.case import Manifest
from tests.manifests.good import good_action, good_model, good_version

from recsys_api.base import Observed
from recsys_api.model_action import ModelActionStatus
from recsys_api.model_status import PinnedState, RecommenderModelStatus, RolloutEvent, RolloutSummary, SloSummary
from recsys_api.model_version import Condition, ModelVersionStatus, ServingTemplate
from recsys_api.run_spec import GateResult, MetricValue

NOW = "2026-01-02T03:04:05Z"
READY = Condition(
    type="Ready", status="True", reason="Serving", message="m", last_transition_time=NOW, observed_generation=2
)
METRIC = MetricValue(value=0.125, low=0.1, high=0.15, n=90)

MODEL = RecommenderModelStatus(
    observed_generation=2, stable="a", candidate="b", previous="c", wanted="d", weight=5, reason="Canary", message="m",
    replicas=3, selector="recsys.dev/model=movies", conditions=(READY,), last_action="rollback#1", action_count=1,
    spec_hash="h1:00", paused_by="action",
    rollout=RolloutSummary(
        step="first", segment=1, n=100, bad=1, lost_events=7, needed=900, verdict="Undecided", underpowered=True, bucket_offset=9999,
        started_at=NOW, slos=(SloSummary(name="fast", n=100, bad=1, needed=900, verdict="Undecided"),),
        events=(RolloutEvent(at=NOW, reason="StepStarted", message="m", weight=5),),
    ),
    pinned=PinnedState(version="a", phase="Pinning", source="Spec"),
)  # fmt: skip

VERSION = ModelVersionStatus(
    phase="Canary", reason="r", message="m", phase_since=NOW, phase_number=7, digest="sha256:00", snapshot_digest="sha256:11",
    gates=(GateResult(name="floor", outcome="Pass", message="m"),), evaluation_key="h0", offline={"ndcg@10": METRIC},
    baseline={"ndcg@10": METRIC}, training={"seconds": 12.5, "device": "cpu"}, attempts={"train": 2}, quarantined=True,
    template=ServingTemplate(
        revision="1", image="x", resources={"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": 1}}, top_k=50,
        pod_template={"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "x"}]}, request_timeout_milliseconds=500,
        credentials_secret="s3", triton_start_seconds=600, image_pull_policy="IfNotPresent",
    ),
    rollout={"steps": [{"name": "first", "weight": 5}], "ledger": {"spent": 0.01}}, conditions=(READY,),
)  # fmt: skip

ACTION = ModelActionStatus(phase="Refused", message="m", finished_at=NOW)

STATUSES: tuple[tuple[Callable[[], Manifest], Observed], ...] = (
    (good_model, MODEL),
    (good_version, VERSION),
    (good_action, ACTION),
)
