"""The HTTPRoute of a model: RouteIntent -> rules, and rules -> RouteIntent.

    1  path and bucket in the candidate's range   -> candidate            (absent at weight 0)
    2  path and any bucket                        -> stable
    3  path                                       -> stable, candidate by weight (or stable alone)

Every backendRef has a header filter of its own: only then does Envoy Gateway make a cluster, and statistics, for each.
The order of rules and backends is part of the contract with `backend_versions`, by which counters find their version.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from recsys_api.buckets import BUCKET_HEADER, BUCKETS
from recsys_api.spec.rollout import GatewayReference, Rollout
from recsys_operator.core import naming, weights
from recsys_operator.core.world import RouteIntent, RouteView
from recsys_operator.resources.kinds import Manifest, contains, labels_of, owner_reference
from recsys_operator.resources.route_status import is_accepted
from recsys_operator.resources.serving import PORT

ANNOTATION_DECISION = "recsys.dev/decision"
ANNOTATION_UNMANAGED = "recsys.dev/unmanaged"
VERSION_HEADER = "x-recsys-version"
ANY_BUCKET = "[0-9]{4}"
_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_PART = "([0-9]{1,5})(ms|h|m|s)"


@dataclass(frozen=True)
class RouteSettings:
    """What an HTTPRoute needs beside the intent: whose it is, which Gateway, how users stick."""

    model_uid: str
    gateway: GatewayReference
    sticky: bool = True
    weighted: bool = True
    """Requests without a bucket are split by weight; otherwise all go to stable."""

    @classmethod
    def of(cls, model_uid: str, rollout: Rollout) -> "RouteSettings":
        """The settings of a model's spec."""
        stickiness = rollout.stickiness
        sticky = stickiness.type == "UserBucket"
        return cls(model_uid, rollout.gateway, sticky, not sticky or stickiness.without_bucket == "Weighted")


def build_route(
    namespace: str, model: str, intent: RouteIntent, decision: Mapping[str, object], settings: RouteSettings
) -> Manifest:
    """The HTTPRoute that says `intent`, with the decision that led to it as an annotation."""
    gateway = settings.gateway
    spec: Manifest = {"parentRefs": [_parent(namespace, gateway)], "rules": _rules(intent, settings)}
    if gateway.hostname:
        spec["hostnames"] = [gateway.hostname]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {
            "name": naming.route_name(model), "namespace": namespace, "labels": labels_of(model, "", "route"),
            "annotations": {ANNOTATION_DECISION: json.dumps(dict(decision), sort_keys=True)},
            "ownerReferences": [owner_reference("RecommenderModel", model, settings.model_uid)],
        },
        "spec": spec,
    }  # fmt: skip


def settings_of_route(route: Manifest) -> RouteSettings | None:
    """The settings that an existing route was made from, for when the spec cannot be read; None if foreign."""
    spec, metadata = route["spec"], route["metadata"]
    owners = [owner["uid"] for owner in metadata.get("ownerReferences") or () if owner["kind"] == "RecommenderModel"]
    parents, rules = spec.get("parentRefs") or [], spec.get("rules") or []
    gateway = _gateway_of(parents[0], spec, rules[-1]) if owners and parents and rules else None
    if gateway is None:
        return None
    sticky, last = len(rules) > 1, rules[-1].get("backendRefs") or []
    return RouteSettings(owners[0], gateway, sticky, not sticky or len(rules) == 2 or len(last) > 1)


def request_seconds(route: Manifest) -> float:
    """How long a request may take, by its rules; a second where they do not say."""
    limits = [(rule.get("timeouts") or {}).get("request", "") for rule in route["spec"].get("rules") or ()]
    return max((_milliseconds(limit) or 1000 for limit in limits), default=1000) / 1000


def read_intent(route: Manifest) -> RouteIntent:
    """What the rules say, whoever wrote them. An unreadable route has an empty stable version."""
    rules = route["spec"].get("rules") or ()
    pattern, candidate = "", ""
    for rule in rules:
        expression = _bucket_pattern(rule)
        if expression and expression != ANY_BUCKET:
            pattern, candidate = expression, _versions(rule)[0]
    present = next((rule for rule in rules if _bucket_pattern(rule) == ANY_BUCKET), None)
    last = _weights(rules[-1]) if rules else {}
    stable = _versions(present)[0] if present and _versions(present) else next((v for v in last if v != candidate), "")
    if pattern:
        offset, weight = measure_range(pattern)
        hint = read_decision(route).get("bucketOffset")
        # at 100 % every offset means the same buckets: only the annotation can tell which one was drawn
        if isinstance(hint, int) and weight and pattern == weights.range_regex(hint, weight):
            offset = hint
        return RouteIntent(stable, candidate, weight, offset)
    split = [version for version in last if version != stable and last[version] > 0]
    if not split:
        return RouteIntent(stable)
    # ours add up to 100, a person's may not
    return RouteIntent(stable, split[0], max(1, round(100 * last[split[0]] / sum(last.values()))))


def read_route(route: Manifest, gateway: Manifest | None, settings: RouteSettings | None) -> RouteView:
    """The route as core sees it.

    Args:
        gateway: the Gateway of its parentRef, None where it is not known: then its listeners are not judged.
        settings: today's settings; what differs from them is drift.
    """
    metadata = route["metadata"]
    annotations = metadata.get("annotations") or {}
    intent, decision = read_intent(route), read_decision(route)
    accepted, message = is_accepted(route, gateway)
    drifted = False
    if settings is not None:
        wanted = build_route(metadata["namespace"], metadata["name"], intent, decision, settings)
        drifted = not contains(route["spec"], wanted["spec"])
    return RouteView(
        uid=metadata["uid"], resource_version=metadata["resourceVersion"], intent=intent, decision=decision,
        accepted=accepted, message=message, unmanaged=ANNOTATION_UNMANAGED in annotations, drifted=drifted,
    )  # fmt: skip


def backend_versions(route: Manifest) -> dict[tuple[int, int], str]:
    """(rule, backend) -> version: whose counters a gateway's cluster of that position holds."""
    return {
        (n, m): str(backend["name"])
        for n, rule in enumerate(route["spec"].get("rules") or ())
        for m, backend in enumerate(rule.get("backendRefs") or ())
    }


def read_decision(route: Manifest) -> Mapping[str, object]:
    """The annotation that says why the route is as it is; empty where it is absent or unreadable."""
    try:
        read = json.loads((route["metadata"].get("annotations") or {}).get(ANNOTATION_DECISION, "{}"))
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


@lru_cache(maxsize=4096)
def measure_range(pattern: str) -> tuple[int, int]:
    """(first bucket, percent) of the buckets that a pattern matches, by trying all of them; (0, 0) where none.

    (0, 1) where it cannot be read.
    """
    try:
        expression = re.compile(pattern)
    except re.error:
        # a gateway's expressions are not ours: whoever wrote it may send users there
        return 0, 1
    inside = [bool(expression.fullmatch(f"{bucket:04d}")) for bucket in range(BUCKETS)]
    first = next((bucket for bucket in range(BUCKETS) if inside[bucket] and not inside[bucket - 1]), 0)
    # a range that somebody narrowed by hand still is some weight: rounding it to 0 would hide a serving candidate
    share = sum(inside) * 100 / BUCKETS
    return first, max(1, round(share)) if share else 0


def _gateway_of(parent: Manifest, spec: Manifest, rule: Manifest) -> GatewayReference | None:
    """What a route says of its Gateway. A value that no manifest may have is the default instead: so it is drift."""
    path = next((match.get("path") or {} for match in rule.get("matches") or ()), {})
    said = {
        "name": parent.get("name"), "namespace": parent.get("namespace"), "section_name": parent.get("sectionName"),
        "hostname": next(iter(spec.get("hostnames") or ()), None), "path_prefix": path.get("value", "/"),
        "request_timeout_milliseconds": _milliseconds((rule.get("timeouts") or {}).get("request", "")),
    }  # fmt: skip
    try:
        return GatewayReference(**said)
    except ValidationError as error:
        # by their names in Python: they were given so
        odd = {to_snake(str(detail["loc"][0])) for detail in error.errors()}
    return None if "name" in odd else GatewayReference(**{name: said[name] for name in said if name not in odd})


def _parent(namespace: str, gateway: GatewayReference) -> Manifest:
    parent: Manifest = {"name": gateway.name, "namespace": gateway.namespace or namespace}
    return parent | ({"sectionName": gateway.section_name} if gateway.section_name else {})


def _rules(intent: RouteIntent, settings: RouteSettings) -> list[Manifest]:
    candidate = intent.candidate if intent.weight > 0 else ""
    split = {intent.stable: 100 - intent.weight, candidate: intent.weight} if candidate else {intent.stable: 100}
    last = split if settings.weighted else {intent.stable: 100}
    rules = [_rule(settings, None, last)]
    if settings.sticky:
        rules.insert(0, _rule(settings, ANY_BUCKET, {intent.stable: 100}))
        if candidate:
            pattern = weights.range_regex(intent.bucket_offset, intent.weight)
            rules.insert(0, _rule(settings, pattern, {candidate: 100}))
    return rules


def _rule(settings: RouteSettings, pattern: str | None, backends: Mapping[str, int]) -> Manifest:
    gateway = settings.gateway
    match: Manifest = {"path": {"type": "PathPrefix", "value": gateway.path_prefix}}
    if pattern:
        match["headers"] = [{"type": "RegularExpression", "name": BUCKET_HEADER, "value": pattern}]
    rule: Manifest = {
        "matches": [match],
        "timeouts": {"request": _duration(gateway.request_timeout_milliseconds)},
        "backendRefs": [_backend(version, weight) for version, weight in backends.items()],
    }
    if gateway.path_prefix != "/":
        rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    return rule


def _duration(milliseconds: int) -> str:
    """As the Gateway API writes it: five digits at most before a unit."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{milliseconds}ms" if seconds < 100 else f"{seconds}s" + (f"{rest}ms" if rest else "")


def _milliseconds(duration: str) -> int:
    """The inverse, for durations that a person wrote too, as 1m30s; 0 for what the Gateway API does not know."""
    if not re.fullmatch(f"(?:{_PART})+", duration):
        return 0
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(_PART, duration))


def _backend(version: str, weight: int) -> Manifest:
    header = {"set": [{"name": VERSION_HEADER, "value": version}]}
    return {
        "name": version, "port": PORT, "weight": weight,
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}],
    }  # fmt: skip


def _bucket_pattern(rule: Manifest) -> str:
    for match in rule.get("matches") or ():
        for header in match.get("headers") or ():
            if header["name"].lower() == BUCKET_HEADER:
                return str(header["value"])
    return ""


def _versions(rule: Manifest) -> list[str]:
    return [str(backend["name"]) for backend in rule.get("backendRefs") or ()] or [""]


def _weights(rule: Manifest) -> dict[str, int]:
    return {str(backend["name"]): int(backend.get("weight", 1)) for backend in rule.get("backendRefs") or ()}
