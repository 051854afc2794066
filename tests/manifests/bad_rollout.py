"""What is refused in `spec.evaluation`, `spec.serving` and `spec.rollout`."""

from tests.manifests.case import ABSENT, GATE, SLO, STEPS, Case
from tests.manifests.fragments import latency
from tests.manifests.good import good_model

ROLLOUT_CASES = (
    Case(
        "window without a length",
        {"spec.rollout.windows": [{"name": "freeze", "schedule": "0 16 * * 5"}]},
        ("spec.rollout.windows", "seconds", "Required|missing; add it"),
    ),
    Case(
        "two windows of one name",
        {"spec.rollout.windows": [{"name": "a", "schedule": "0 1 * * *", "seconds": 60}] * 2},
        ("spec.rollout.windows", "Duplicate|name of its own"),
    ),
    Case(
        "window of a year",
        {"spec.rollout.windows": [{"name": "freeze", "schedule": "0 16 * * 5", "seconds": 31536000}]},
        ("spec.rollout.windows", "2678400"),
    ),
    Case(
        "window at a time that is none",
        {"spec.rollout.windows": [{"name": "freeze", "schedule": "friday", "seconds": 3600}]},
        ("spec.rollout.windows", '"friday" is not a schedule'),
    ),
    Case("gate without a limit", {f"{GATE}.atLeast": ABSENT}, ("spec.evaluation.gates[0]", "exactly one limit")),
    Case(
        "gate with two limits",
        {f"{GATE}.maxRegressionPercent": "2"},
        ("spec.evaluation.gates[0]", "set atLeast or maxRegressionPercent, not both and not none"),
    ),
    Case(
        "limit above one",
        {f"{GATE}.atLeast": "5"},
        ("spec.evaluation.gates[0].atLeast", "atLeast is above 1", 'as in "0.05"'),
    ),
    Case(
        "limit as a word",
        {f"{GATE}.atLeast": "high"},
        ("spec.evaluation.gates[0].atLeast", '"high" is not a decimal number', 'as in "0.05"'),
    ),
    Case("limit without quotes", {f"{GATE}.atLeast": 0.05}, ("spec.evaluation.gates[0].atLeast", "string|quotes")),
    Case(
        "regression above all",
        {f"{GATE}.atLeast": ABSENT, f"{GATE}.maxRegressionPercent": "200"},
        ("spec.evaluation.gates[0].maxRegressionPercent", "is above 100"),
    ),
    Case("metric at 7", {f"{GATE}.metric.k": 7}, ("spec.evaluation.gates[0].metric.k", "10")),
    Case(
        "two gates of one name",
        {"spec.evaluation.gates.1": good_model()["spec"]["evaluation"]["gates"][0]},
        ("spec.evaluation.gates", "Duplicate|name of its own"),
    ),
    Case(
        "replicas and autoscaling",
        {"spec.serving.autoscaling": {"maxReplicas": 5}},
        ("spec.serving", "replicas and autoscaling exclude each other; remove one of them"),
    ),
    Case(
        "autoscaling range upside down",
        {"spec.serving": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}},
        ("spec.serving.autoscaling.maxReplicas", "raise maxReplicas or lower minReplicas"),
    ),
    Case("no replicas", {"spec.serving.replicas": 0}, ("spec.serving.replicas", "1")),
    Case(
        "path without slash", {"spec.rollout.gateway.pathPrefix": "movies"}, ("pathPrefix", '"movies"', "start with /")
    ),
    *(
        Case(
            f"path that leads elsewhere: {path}",
            {"spec.rollout.gateway.pathPrefix": path},
            (
                "spec.rollout.gateway.pathPrefix",
                f'"{path}" is not a path',
                "escaped slashes and segments that are empty, . or ..",
            ),
        )
        for path in ("/a/../b", "/a%2Fb", "/a%zz")
    ),
    Case("host with scheme", {"spec.rollout.gateway.hostname": "https://x"}, ("hostname", "without port or scheme")),
    Case(
        "weights fall",
        {STEPS: [{"name": "a", "weight": 50}, {"name": "b", "weight": 5}, {"name": "c", "weight": 100}]},
        ("spec.rollout.steps", "weight must rise from step to step; sort the steps"),
    ),
    Case(
        "weights repeat",
        {STEPS: [{"name": "a", "weight": 100}, {"name": "b", "weight": 100}]},
        ("spec.rollout.steps", "give each a weight of its own"),
    ),
    Case(
        "last step is not all",
        {STEPS: [{"name": "a", "weight": 5}]},
        ("spec.rollout.steps", "the last step's weight must be 100; add a step with weight: 100"),
    ),
    Case(
        "a candidate that nobody would reach",
        {"spec.rollout.stickiness": {"type": "None", "withoutBucket": "Stable"}},
        ("spec.rollout.stickiness.withoutBucket", "the candidate would get nobody", "set type to UserBucket"),
    ),
    Case("no steps", {STEPS: []}, ("spec.rollout.steps", "1")),
    Case("weight of 101", {f"{STEPS}.1.weight": 101}, ("spec.rollout.steps[1].weight", "100")),
    Case("no samples", {f"{STEPS}.0.minSamples": 0}, ("spec.rollout.steps[0].minSamples", "1")),
    Case("two steps of one name", {f"{STEPS}.1.name": "first"}, ("spec.rollout.steps", "Duplicate|name of its own")),
    Case(
        "step name in capitals",
        {f"{STEPS}.0.name": "First"},
        ("spec.rollout.steps[0].name", '"First" is not a name', "lowercase"),
    ),
    Case(
        "latency without threshold",
        {f"{SLO}.sli": {"type": "Latency"}},
        ("spec.rollout.slos[0].sli.thresholdMilliseconds", "Latency needs thresholdMilliseconds; add it"),
    ),
    Case(
        "availability with threshold",
        {f"{SLO}.sli.type": "Availability"},
        ("spec.rollout.slos[0].sli.thresholdMilliseconds", "is for Latency only; remove it"),
    ),
    Case("threshold between bounds", {f"{SLO}.sli": latency(60)}, ("thresholdMilliseconds", "60", "50", "75")),
    Case(
        "objective of all",
        {f"{SLO}.objectivePercent": "100"},
        ("spec.rollout.slos[0].objectivePercent", 'below 100, because nothing is good always; write "99.9"'),
    ),
    Case("objective of nothing", {f"{SLO}.objectivePercent": "0"}, ("objectivePercent", "must be above 0")),
    Case("tolerance below one", {f"{SLO}.tolerance": "0.5"}, ("spec.rollout.slos[0].tolerance", 'write "1" or more')),
    Case(
        "loose fallback objective",
        {SLO: {"name": "model", "sli": {"type": "Fallback"}, "objectivePercent": "90"}},
        ("spec.rollout.slos[0].objectivePercent", 'can only be tightened; write "99.5" or more'),
    ),
    Case(
        "empty pin",
        {"spec.rollout.pinnedVersion": ""},
        ("spec.rollout.pinnedVersion", "write a version's name or digest, or remove the field|1 characters or more"),
    ),
    Case("unknown policy", {"spec.rollout.onUndecided": "Ignore"}, ("spec.rollout.onUndecided", "Advance", "Rollback")),
)
