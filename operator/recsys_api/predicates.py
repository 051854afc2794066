"""Whether a part of a RecommenderModel obeys a rule; `rules.py` pairs each with its CEL twin and its sentence."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from recsys_api import patterns
from recsys_api.quantities import amount_of
from recsys_api.rule_types import between
from recsys_api.spec.evaluation import Gate
from recsys_api.spec.model import WITH_LAYERS, Model
from recsys_api.spec.pods import Resources, Toleration
from recsys_api.spec.rollout import ServiceLevelIndicator, ServiceLevelObjective, Step
from recsys_api.spec.serving import Autoscaling, Serving

FALLBACK_OBJECTIVE_PERCENT = 99.5
RESERVED_LABEL = "app.kubernetes.io/managed-by"
GPU = "nvidia.com/gpu"


class Named(Protocol):
    """An element of a list that is keyed by name."""

    @property
    def name(self) -> str:
        """Unique in its list."""


def one_of_replicas_and_autoscaling(serving: Serving) -> bool:
    """A fixed size or an autoscaler."""
    return serving.replicas is None or serving.autoscaling is None


def bounds_in_order(autoscaling: Autoscaling) -> bool:
    """The autoscaler's range is not empty."""
    return autoscaling.max_replicas >= autoscaling.min_replicas


def one_limit(gate: Gate) -> bool:
    """An absolute limit or one against the serving version."""
    return (gate.at_least is None) != (gate.max_regression_percent is None)


def latency_has_threshold(sli: ServiceLevelIndicator) -> bool:
    """Slow means slower than something."""
    return sli.type != "Latency" or sli.threshold_milliseconds is not None


def threshold_is_for_latency(sli: ServiceLevelIndicator) -> bool:
    """No other indicator has a threshold."""
    return sli.type == "Latency" or sli.threshold_milliseconds is None


def fallback_objective_is_tight(slo: ServiceLevelObjective) -> bool:
    """The undeclared objective can only be tightened."""
    holds = between(FALLBACK_OBJECTIVE_PERCENT, 100)
    return slo.sli.type != "Fallback" or holds(slo.objective_percent)


def weights_rise(steps: Sequence[Step]) -> bool:
    """Each step has more users than the one before."""
    weights = [step.weight for step in steps]
    return all(before < after for before, after in pairwise(weights))


def last_weight_is_all(steps: Sequence[Step]) -> bool:
    """A rollout ends with everybody."""
    return not steps or steps[-1].weight == 100


def is_in_cluster(uri: str) -> bool:
    """A pod has no files of the user's machine."""
    return not uri.startswith("file://")


def mlp_has_layers(model: Model) -> bool:
    """The MLP branch has at least one layer."""
    return model.architecture not in WITH_LAYERS or len(model.hidden_layers) > 0


def others_have_no_layers(model: Model) -> bool:
    """Every other family is a product of embeddings."""
    return model.architecture in WITH_LAYERS or len(model.hidden_layers) == 0


def quantities_are_quantities(quantities: Mapping[str, str | int]) -> bool:
    """Kubernetes will accept each amount."""
    return all(re.fullmatch(patterns.QUANTITY, str(amount)) for amount in quantities.values())


def request_is_within_limit(resources: Resources, name: str) -> bool:
    """The API server refuses a pod that asks for more than it may take."""
    both = [amounts.get(name) for amounts in (resources.requests, resources.limits)]
    known = [amount_of(each) for each in both if each is not None and re.fullmatch(patterns.QUANTITY, str(each))]
    return len(known) < len(both) or known[0] <= known[1]


def every_taint_is_meant(toleration: Toleration) -> bool:
    """Without a key there is nothing that could be equal."""
    return bool(toleration.key) or toleration.operator == "Exists"


def value_is_compared(toleration: Toleration) -> bool:
    """Exists looks at keys alone."""
    return toleration.operator != "Exists" or not toleration.value


def seconds_end_something(toleration: Toleration) -> bool:
    """Only NoExecute ends pods."""
    return toleration.toleration_seconds is None or toleration.effect == "NoExecute"


def resources_are_known(quantities: Mapping[str, str | int]) -> bool:
    """Kubernetes knows each resource; a typo would only be found when the Job is created."""
    return all(re.fullmatch(patterns.RESOURCE_NAME, name) for name in quantities)


def gpus_are_counted_elsewhere(quantities: Mapping[str, str | int]) -> bool:
    """Whether the pods of a training name no GPUs beside `training.gpusPerNode`."""
    return GPU not in quantities


def cpu_request_is_positive(quantities: Mapping[str, str | int]) -> bool:
    """The number of threads follows the CPU request."""
    return not re.match(r"[+]?(?=[0.])0*(\.0*)?([a-zA-Z]|$)", str(quantities.get("cpu", 1)))


def metadata_is_labels_and_annotations(metadata: Mapping[str, object]) -> bool:
    """The rest of a pod's metadata is the operator's."""
    return all(name in ("labels", "annotations") for name in metadata)


def is_reserved(key: str) -> bool:
    """The operator finds its own pods by these keys."""
    return key.startswith("recsys.dev/") or key == RESERVED_LABEL


def metadata_is_not_ours(metadata: Mapping[str, Mapping[str, str]]) -> bool:
    """No key that the operator itself sets."""
    return not any(is_reserved(key) for entries in metadata.values() for key in entries)


def labels_are_labels(metadata: Mapping[str, Mapping[str, str]]) -> bool:
    """Kubernetes will accept each label's value."""
    values = metadata.get("labels", {}).values()
    return all(len(value) <= 63 and re.fullmatch(patterns.LABEL_VALUE, value) for value in values)


def names_differ(items: Sequence[Named]) -> bool:
    """Each name occurs once."""
    return len({item.name for item in items}) == len(items)


def is_not_empty(text: str) -> bool:
    """Absent and empty would mean the same."""
    return text != ""


def always(_value: Any) -> bool:
    """What only the API server sees: it knows the old object."""
    return True
