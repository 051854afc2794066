"""The rules of a RecommenderModel that cross fields or need a sentence: one table for the CRD and for the CLI.

Shape, bounds and enumerations are in the types; a rule is here because a type cannot say it. They are no pydantic
validators, because a stored spec must stay readable when a later release adds a rule.
"""

import re

from recsys_api import patterns
from recsys_api import predicates as ok
from recsys_api.compile_rules import COMPILE_RULES
from recsys_api.data_rules import DATA_RULES
from recsys_api.family_rules import FAMILY_RULES
from recsys_api.model_action import WITHOUT_VERSION
from recsys_api.operator_rules import OPERATOR_RULES, Root
from recsys_api.pod_rules import POD_RULES, POD_TEMPLATES, RESOURCES
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_kinds import cel_list, prose
from recsys_api.rule_types import Problem, Rule, between, quote
from recsys_api.table_rules import TABLE_RULES

_METADATA = tuple(f"{path}.metadata" for path in POD_TEMPLATES)
_QUANTITIES = tuple(f"{path}.{kind}" for path in RESOURCES for kind in ("requests", "limits"))
_DECIMAL = quote(patterns.DECIMAL)


RULES: tuple[Rule, ...] = (
    Rule(
        ("spec.serving",),
        "!(has(self.replicas) && has(self.autoscaling))",
        "replicas and autoscaling exclude each other; remove one of them",
        ok.one_of_replicas_and_autoscaling,
    ),
    Rule(
        ("spec.serving.autoscaling",),
        "self.maxReplicas >= self.minReplicas",
        "maxReplicas is below minReplicas; raise maxReplicas or lower minReplicas",
        ok.bounds_in_order,
        field="maxReplicas",
    ),
    Rule(
        ("spec.evaluation.gates[]",),
        "has(self.atLeast) != has(self.maxRegressionPercent)",
        "a gate has exactly one limit; set atLeast or maxRegressionPercent, not both and not none",
        ok.one_limit,
    ),
    Rule(
        ("spec.evaluation.gates[].atLeast",),
        f"!self.matches({_DECIMAL}) || double(self) <= 1.0",
        'atLeast is above 1, and every metric lies between 0 and 1; write a share, as in "0.05" for 5 percent',
        between(0, 1),
    ),
    Rule(
        ("spec.evaluation.gates[].maxRegressionPercent",),
        f"!self.matches({_DECIMAL}) || double(self) <= 100.0",
        'maxRegressionPercent is above 100; write percent of the serving version\'s value, as in "2"',
        between(0, 100),
    ),
    Rule(
        ("spec.rollout.slos[].sli",),
        "self.type != 'Latency' || has(self.thresholdMilliseconds)",
        "Latency needs thresholdMilliseconds; add it, as in thresholdMilliseconds: 50",
        ok.latency_has_threshold,
        field="thresholdMilliseconds",
    ),
    Rule(
        ("spec.rollout.slos[].sli",),
        "self.type == 'Latency' || !has(self.thresholdMilliseconds)",
        "thresholdMilliseconds is for Latency only; remove it or change type to Latency",
        ok.threshold_is_for_latency,
        field="thresholdMilliseconds",
    ),
    Rule(
        ("spec.rollout.slos[].objectivePercent",),
        f"!self.matches({_DECIMAL}) || (double(self) > 0.0 && double(self) < 100.0)",
        'objectivePercent must be above 0 and below 100, because nothing is good always; write "99.9"',
        between(0, 100, inside=True),
    ),
    Rule(
        ("spec.rollout.slos[].tolerance",),
        f"!self.matches({_DECIMAL}) || double(self) >= 1.0",
        'tolerance is below 1 and would fail a version that keeps its objective; write "1" or more, "2" is the default',
        between(1, 1e9),
    ),
    Rule(
        ("spec.rollout.slos[]",),
        f"self.sli.type != 'Fallback' || !self.objectivePercent.matches({_DECIMAL}) || "
        f"double(self.objectivePercent) >= {ok.FALLBACK_OBJECTIVE_PERCENT}",
        'objectivePercent of Fallback can only be tightened; write "99.5" or more, or remove this SLO',
        ok.fallback_objective_is_tight,
        field="objectivePercent",
    ),
    Rule(
        ("spec.rollout.stickiness",),
        "!has(self.type) || self.type != 'None' || !has(self.withoutBucket) || self.withoutBucket != 'Stable'",
        "withoutBucket is Stable, and with type None no request has a bucket: the candidate would get nobody; set type to "
        "UserBucket, or remove withoutBucket",
        lambda stickiness: stickiness.type != "None" or stickiness.without_bucket != "Stable",
        field="withoutBucket",
    ),
    Rule(
        ("spec.rollout.steps",),
        "self.map(s, s.weight).isSorted() && self.all(s, self.exists_one(t, t.weight == s.weight))",
        "weight must rise from step to step; sort the steps and give each a weight of its own",
        ok.weights_rise,
    ),
    Rule(
        ("spec.rollout.steps",),
        "size(self) == 0 || self[size(self) - 1].weight == 100",
        "the last step's weight must be 100; add a step with weight: 100",
        ok.last_weight_is_all,
    ),
    *DATA_RULES,
    Rule(
        ("spec.data.source.uri", "spec.artifacts.uri"),
        "!self.startsWith('file://')",
        "file:// is for the CLI; use s3://, gs://, az:// or pvc://",
        ok.is_in_cluster,
        cluster_only=True,
    ),
    Rule(
        ("spec.artifacts.uri",),
        "self == oldSelf",
        "uri is immutable, because the artifacts of all versions lie below it; create a new RecommenderModel to move",
        ok.always,
        cluster_only=True,
    ),
    *FAMILY_RULES,
    *TABLE_RULES,
    *COMPILE_RULES,
    *POD_RULES,
    Rule(
        _QUANTITIES,
        "self.all(k, type(self[k]) == int ? self[k] >= 0 : (isQuantity(self[k]) && !self[k].startsWith('-')))",
        "an amount is not a quantity; write a number, not negative, with a unit of Kubernetes, as in "
        'cpu: "500m" or memory: 4Gi, not 4GB',
        ok.quantities_are_quantities,
    ),
    Rule(
        _QUANTITIES,
        f"self.all(k, k.matches({quote(patterns.RESOURCE_NAME)}))",
        "a resource is not known to Kubernetes; use cpu, memory, ephemeral-storage, hugepages-<size> or the full name "
        "of a device, as in nvidia.com/gpu",
        ok.resources_are_known,
    ),
    Rule(
        ("spec.training.resources.requests", "spec.training.resources.limits"),
        f"!('{ok.GPU}' in self)",
        f"{ok.GPU} has no place here, because training.gpusPerNode says how many; set gpusPerNode, and remove it here",
        ok.gpus_are_counted_elsewhere,
    ),
    Rule(
        tuple(f"{path}.requests" for path in RESOURCES),
        "!('cpu' in self) || !isQuantity(string(self['cpu'])) || "
        "quantity(string(self['cpu'])).isGreaterThan(quantity('0'))",
        "cpu is 0, and the number of threads follows it; request some, as in cpu: 500m, or remove it",
        ok.cpu_request_is_positive,
    ),
    Rule(
        _METADATA,
        "self.all(k, k in ['labels', 'annotations'])",
        "podTemplate.metadata holds labels and annotations only; remove the rest",
        ok.metadata_is_labels_and_annotations,
    ),
    Rule(
        _METADATA,
        f"self.all(k, self[k].all(name, !name.startsWith('recsys.dev/') && name != '{ok.RESERVED_LABEL}'))",
        f"podTemplate.metadata has a key under recsys.dev/ or {ok.RESERVED_LABEL}; both are the operator's, remove it",
        ok.metadata_is_not_ours,
    ),
    Rule(
        _METADATA,
        "!('labels' in self) || self['labels'].all(k, size(self['labels'][k]) <= 63 && "
        f"self['labels'][k].matches({quote(patterns.LABEL_VALUE)}))",
        "podTemplate.metadata.labels has a value that is no label value; use at most 63 letters, digits, - _ and .",
        ok.labels_are_labels,
    ),
    Rule(
        (
            "spec.evaluation.gates",
            "spec.rollout.steps",
            "spec.rollout.slos",
            "spec.rollout.windows",
            *(f"{path}.imagePullSecrets" for path in POD_TEMPLATES),
        ),
        "",
        "a name occurs twice; give each element a name of its own",
        ok.names_differ,
    ),
    Rule(
        ("spec.rollout.pinnedVersion",),
        "self != ''",
        "pinnedVersion is empty; write a version's name or digest, or remove the field to end the pin",
        ok.is_not_empty,
        replaces=("minLength",),
    ),
    *OPERATOR_RULES,
)
"""In the order in which they are reported."""

NAME_RULE = Rule(
    ("metadata.name",),
    f"self.metadata.name.matches({quote(patterns.MODEL_NAME)})",
    f"metadata.name {patterns.SENTENCES[patterns.MODEL_NAME]}",
    lambda name: re.fullmatch(patterns.MODEL_NAME, name) is not None,
)
"""Stands at the root of the schema, because only there CEL sees metadata."""

ACTION_RULES: tuple[Rule, ...] = (
    Rule(
        ("spec",),
        "self == oldSelf",
        "spec is immutable, because an action is done once; create another ModelAction",
        ok.always,
    ),
    Rule(
        ("spec",),
        "!(self.verb in ['Promote', 'Retry', 'Pin']) || has(self.version)",
        "version is needed by Promote, Retry and Pin; add the name of a ModelVersion, as kubectl get mv shows it",
        lambda spec: spec.verb not in ("Promote", "Retry", "Pin") or spec.version is not None,
        field="version",
    ),
    Rule(
        ("spec",),
        f"!(self.verb in {cel_list(WITHOUT_VERSION)}) || !has(self.version)",
        f"version is ignored by {prose(WITHOUT_VERSION)}; remove version",
        lambda spec: spec.verb not in WITHOUT_VERSION or spec.version is None,
        field="version",
    ),
)

VERSION_RULES: tuple[Rule, ...] = (
    Rule(
        ("spec",),
        "self == oldSelf",
        "spec is immutable, because it records what the version was made from; change the RecommenderModel instead",
        ok.always,
    ),
)


def validate_spec(spec: RecommenderModelSpec, *, cluster: bool) -> list[Problem]:
    """Every rule that a spec breaks.

    Args:
        cluster: whether it is to run in a cluster, where files of this machine cannot be read.
    """
    root = Root(spec)
    return [problem for rule in RULES if cluster or not rule.cluster_only for problem in rule.problems(root)]
