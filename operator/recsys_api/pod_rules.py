"""What Kubernetes would refuse of pods only when they are made: by then a version waits for them."""

from recsys_api import predicates as ok
from recsys_api.rule_types import Predicate, Rule

POD_TEMPLATES = ("spec.training.podTemplate", "spec.serving.podTemplate")
RESOURCES = ("spec.training.resources", "spec.serving.resources")


def _within_limits(name: str) -> Rule:
    """One resource at a time: a rule over all of them would cost the API server more than it allows."""
    request, limit = (f"string(self.{side}['{name}'])" for side in ("requests", "limits"))
    return Rule(
        RESOURCES,
        f"!has(self.requests) || !has(self.limits) || !('{name}' in self.requests) || !('{name}' in self.limits) || "
        f"!isQuantity({request}) || !isQuantity({limit}) || quantity({request}).compareTo(quantity({limit})) <= 0",
        f"requests.{name} is above limits.{name}; lower it, or raise the limit",
        lambda resources: ok.request_is_within_limit(resources, name),
    )


def _toleration(cel: str, message: str, holds: Predicate, field: str) -> Rule:
    return Rule(tuple(f"{path}.tolerations[]" for path in POD_TEMPLATES), cel, message, holds, field=field)


POD_RULES: tuple[Rule, ...] = (
    _within_limits("cpu"),
    _within_limits("memory"),
    _toleration(
        "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
        "key is empty, which means every taint under Exists alone; add a key, or operator: Exists",
        ok.every_taint_is_meant,
        "key",
    ),
    _toleration(
        "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
        "value is not compared under Exists; remove value, or set operator to Equal",
        ok.value_is_compared,
        "value",
    ),
    _toleration(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "tolerationSeconds is for NoExecute taints only; set effect to NoExecute, or remove tolerationSeconds",
        ok.seconds_end_something,
        "tolerationSeconds",
    ),
)
"""In the order in which they are reported."""
