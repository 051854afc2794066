"""What the API server does not say: its rules cannot, or would cost it more than it allows.

The CLI refuses what breaks one of these, and the operator says so in the model's condition Stalled (InvalidSpec).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

from recsys_api import cron, patterns
from recsys_api.field_types import MAX_NAME, MAX_PREFIX
from recsys_api.pod_rules import POD_TEMPLATES, RESOURCES
from recsys_api.quantities import amount_of
from recsys_api.rule_types import Problem, Rule, shown
from recsys_api.similarity_rules import SIMILARITY_RULES
from recsys_api.spec.pods import Resources
from recsys_api.spec.rollout import ServiceLevelObjective

MAX_BAD_PERCENT = 95
"""Most bad events that an SLO can be told to stand: above it there is too little left to show a Fail with."""
MAX_ANNOTATION_BYTES = 16384
"""Of a pod template. A pod has 256 KiB for all of its annotations, and one of a Job's holds the whole spec: tests/unit/operator/test_sizes.py."""
MAX_AMOUNT_LENGTH = 64
_MOST = 2**63 - 1
_PAGES = "hugepages-"
_SHARED = ("cpu", "memory", "ephemeral-storage")
"""Resources of which a pod may be given more than it requests; of all others it gets what it asks for."""

_URIS = (
    "spec.data.source.uri",
    "spec.artifacts.uri",
    *(f"spec.data.split.predefined.{part}" for part in ("train", "validation", "test")),
)


def _stays_below(uri: str) -> bool:
    """No segment leads out of the folder, the bucket or the claim."""
    return ".." not in uri.partition("://")[2].split("/")


def _fail_can_be_shown(slo: ServiceLevelObjective) -> bool:
    """The bad rate that Fail is shown against is no share of everything."""
    return Decimal(slo.tolerance) * (100 - Decimal(slo.objective_percent)) <= MAX_BAD_PERCENT


def _amount(quantities: Mapping[str, str | int], name: str) -> Decimal | None:
    """Of a resource; None where there is none, or none that other rules let pass."""
    text = str(quantities.get(name, ""))
    return amount_of(text) if re.fullmatch(patterns.QUANTITY, text) else None


def _wrong_requests(resources: Resources) -> str:
    """Requests of devices, huge pages and disk that no pod may have."""
    wrong = (name for name in sorted(resources.requests) if not _request_fits(resources, name))
    return ", ".join(f"{name}: {shown(resources.requests[name])}" for name in wrong)


def _request_fits(resources: Resources, name: str) -> bool:
    """Requests of CPU and memory the API server compares itself."""
    asked, limit = _amount(resources.requests, name), _amount(resources.limits, name)
    if name in ("cpu", "memory") or asked is None:
        return True
    if name in _SHARED:
        return limit is None or asked <= limit
    return asked == limit


def _counted(quantities: Mapping[str, str | int]) -> bool:
    """Devices and pages are whole."""
    found = [(amount, _unit(name)) for name in quantities if (amount := _amount(quantities, name)) is not None]
    return all(unit > 0 and (amount > _MOST or amount % unit == 0) for amount, unit in found if unit is not None)


def _unit(name: str) -> Decimal | None:
    """What there is a whole number of; None where there are fractions."""
    if name in _SHARED:
        return None
    page = _amount({"page": name.removeprefix(_PAGES)}, "page") if name.startswith(_PAGES) else None
    return Decimal(1) if page is None else page


def _pages_have_company(resources: Resources) -> bool:
    """No pod has huge pages alone."""
    names = resources.requests.keys() | resources.limits.keys()
    return bool(names & {"cpu", "memory"}) or not any(name.startswith(_PAGES) for name in names)


def _is_no_more_than_kubernetes_counts(quantities: Mapping[str, str | int]) -> bool:
    """More is taken for that, without a word."""
    amounts = (_amount(quantities, name) for name in quantities)
    return all(amount is None or amount <= _MOST for amount in amounts)


def _names_are_short(quantities: Mapping[str, str | int]) -> bool:
    """As Kubernetes limits the two parts of a resource's name, and us what a person writes for an amount."""
    parts = [(name.rpartition("/"), str(amount)) for name, amount in quantities.items()]
    return all(
        len(name) <= MAX_NAME and len(prefix) <= MAX_PREFIX and len(amount) <= MAX_AMOUNT_LENGTH
        for (prefix, _, name), amount in parts
    )


def _prefixes_are_short(field: str, keys_of: Callable[[Any], Iterable[str]]) -> Rule:
    """Of the keys at a field of pods."""

    def wrong(value: Any) -> str:
        return ", ".join(shown(key) for key in keys_of(value) if len(key.rpartition("/")[0]) > MAX_PREFIX)

    return Rule(
        tuple(f"{path}.{field}" for path in POD_TEMPLATES),
        "",
        f"a key has more than {MAX_PREFIX} characters before its /, and Kubernetes takes no more; shorten that part",
        lambda value: not wrong(value),
        shows=wrong,
    )


def _annotations_fit(metadata: Mapping[str, Mapping[str, str]]) -> bool:
    """As JSON, since a Job is told of them in an annotation of its own."""
    text = json.dumps(metadata.get("annotations", {}), ensure_ascii=False)
    return len(text.encode()) <= MAX_ANNOTATION_BYTES


_QUANTITIES = tuple(f"{path}.{side}" for path in RESOURCES for side in ("requests", "limits"))

OPERATOR_RULES: tuple[Rule, ...] = (
    Rule(
        _URIS,
        "",
        "a segment .. leads out of the folder; write the path that is meant, without it",
        _stays_below,
    ),
    Rule(
        ("spec.training.schedule", "spec.rollout.windows[].schedule"),
        "",
        "never comes, because none of its months has such a day; write a day that one has, as in 28 for the end of February",
        lambda schedule: cron.parse(schedule).ever_comes(),
    ),
    Rule(
        ("spec.rollout.slos[]",),
        "",
        f"tolerance x (100 - objectivePercent) is above {MAX_BAD_PERCENT}: too few good events would be left to show a Fail "
        "with; lower tolerance, or raise objectivePercent",
        _fail_can_be_shown,
        field="tolerance",
    ),
    Rule(
        RESOURCES,
        "",
        "a request is not what limits say, and of devices and huge pages a pod has what it asks for, of disk no more than "
        "its limit; write the amount in limits too, or lower the request",
        lambda resources: not _wrong_requests(resources),
        shows=_wrong_requests,
    ),
    Rule(
        _QUANTITIES,
        "",
        "an amount of devices is no whole number, or one of huge pages not that of whole pages; write one, as in "
        "nvidia.com/gpu: 2 or hugepages-2Mi: 4Mi",
        _counted,
    ),
    Rule(RESOURCES, "", "huge pages need cpu or memory beside them; add one of them to requests", _pages_have_company),
    Rule(
        _QUANTITIES,
        "",
        "an amount is above 2^63 - 1, the most that Kubernetes counts; write a smaller one",
        _is_no_more_than_kubernetes_counts,
    ),
    Rule(
        _QUANTITIES,
        "",
        f"a name or an amount is too long; use at most {MAX_NAME} characters after the / of a resource's name, "
        f"{MAX_PREFIX} before it and {MAX_AMOUNT_LENGTH} for the amount",
        _names_are_short,
    ),
    _prefixes_are_short("metadata", lambda metadata: chain.from_iterable(metadata.values())),
    _prefixes_are_short("nodeSelector", lambda labels: labels),
    _prefixes_are_short("tolerations[].key", lambda key: (key,)),
    Rule(
        tuple(f"{path}.metadata" for path in POD_TEMPLATES),
        "",
        f"annotations have more than {MAX_ANNOTATION_BYTES} bytes as JSON; shorten them, or mount a ConfigMap in your images",
        _annotations_fit,
    ),
    *SIMILARITY_RULES,
)
"""In the order in which they are reported."""


class Root:
    """What the paths of rules start from."""

    def __init__(self, spec: object) -> None:
        self.spec = spec


def unsaid_problems(spec: object) -> list[Problem]:
    """What is wrong with a spec that the API server has let pass."""
    return [problem for rule in OPERATOR_RULES for problem in rule.problems(Root(spec))]
