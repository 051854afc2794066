"""TrafficRouter over Gateway API: one HTTPRoute for each model."""

import json
from collections.abc import Mapping

from recsys_operator.adapters.cache import Cache
from recsys_operator.core import naming
from recsys_operator.core.world import RouteIntent, RouteView
from recsys_operator.errors import AlreadyOwned, Conflict, NotFound, Unmanaged
from recsys_operator.ports import Cluster
from recsys_operator.resources.kinds import Manifest, contains, is_ours
from recsys_operator.resources.route import (
    ANNOTATION_UNMANAGED,
    RouteSettings,
    build_route,
    read_decision,
    read_route,
    settings_of_route,
)
from recsys_operator.resources.route_status import parent_of

__all__ = ["GatewayApiRouter"]

URGENT_TRIES = 5


class GatewayApiRouter:
    """Reads routes from the cache, writes them by server-side apply."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache
        self._written: dict[tuple[str, str], tuple[str, Manifest]] = {}
        """Route -> state that the last write led to, and what was written."""

    async def observe_route(self, namespace: str, model: str, settings: RouteSettings | None) -> RouteView | None:
        """The route as the cache knows it; None where there is none of ours."""
        route = self._cache.get("HTTPRoute", namespace, naming.route_name(model))
        if route is None:
            self._written.pop((namespace, naming.route_name(model)), None)
            return None
        parent = parent_of(route)
        gateway = self._cache.get("Gateway", parent.get("namespace", namespace), parent["name"]) if parent else None
        return read_route(route, gateway, settings)

    async def ensure_route(
        self, namespace: str, model: str, intent: RouteIntent, decision: Mapping[str, object], *,
        settings: RouteSettings | None, raises: bool,
    ) -> bool:  # fmt: skip
        """Write the intent; True when nothing had to be written."""
        for left in reversed(range(1 if raises else URGENT_TRIES)):
            route = await self._known(namespace, model)
            try:
                return await self._write(namespace, model, intent, decision, settings, route, raises)
            except Conflict:
                # weight that falls is never blocked: the next try starts from a live read
                if not left:
                    raise
                self._refresh(await self._cluster.read("HTTPRoute", namespace, naming.route_name(model)))
        raise AssertionError("unreachable")

    async def _write(
        self, namespace: str, model: str, intent: RouteIntent, decision: Mapping[str, object],
        settings: RouteSettings | None, route: Manifest | None, raises: bool,
    ) -> bool:  # fmt: skip
        chosen = settings or (settings_of_route(route) if route is not None else None)
        if chosen is None:
            raise NotFound(
                f"route {namespace}/{model}", "no HTTPRoute to lower the weight of, and no spec to make one from"
            )
        if route is not None and ANNOTATION_UNMANAGED in (route["metadata"].get("annotations") or {}):
            raise Unmanaged(
                f"HTTPRoute {namespace}/{model} carries {ANNOTATION_UNMANAGED}; remove it to hand the route back"
            )
        wanted = build_route(namespace, model, intent, decision, chosen)
        if route is not None and (_says(route, wanted, decision) or self._is_answer_to(route, wanted, decision)):
            return True
        condition = route["metadata"]["resourceVersion"] if route is not None and raises else ""
        written = _without_time(wanted, decision)
        made = await self._cluster.apply(wanted, resource_version=condition)
        self._refresh(made)
        self._written[namespace, made["metadata"]["name"]] = (_state(made), written)
        return False

    def _is_answer_to(self, route: Manifest, wanted: Manifest, decision: Mapping[str, object]) -> bool:
        """Whether it is what the API server made of this very write: an older Gateway API or a webhook makes less of it,
        and would do so again."""
        metadata = route["metadata"]
        return self._written.get((metadata["namespace"], metadata["name"])) == (
            _state(route), _without_time(wanted, decision),
        )  # fmt: skip

    async def _known(self, namespace: str, model: str) -> Manifest | None:
        """The cached route; a live read where the cache has none, because a foreign route is not in it."""
        name = naming.route_name(model)
        route = self._cache.get("HTTPRoute", namespace, name)
        if route is None:
            route = await self._cluster.read("HTTPRoute", namespace, name)
            if route is not None and not (is_ours(route) or _is_of(route, model)):
                raise AlreadyOwned(f"HTTPRoute {namespace}/{name}", "it is not ours; rename or delete it")
        return route

    def _refresh(self, route: Manifest | None) -> None:
        if route is not None:
            self._cache.put(route)


def _is_of(route: Manifest, model: str) -> bool:
    """Whether it is the model's own though its label is gone: weight that falls is never blocked, and the write gives it back."""
    owners = route["metadata"].get("ownerReferences") or ()
    return any((owner["kind"], owner["name"]) == ("RecommenderModel", model) for owner in owners)


def _says(route: Manifest, wanted: Manifest, decision: Mapping[str, object]) -> bool:
    """Whether the route needs no write: a decision that differs in its time alone is the same decision."""
    whole = _without_time(wanted, decision)
    told = whole.pop("decision")
    return contains(route, whole) and _timeless(read_decision(route)) == told


def _state(route: Manifest) -> str:
    return f"{route['metadata']['uid']}/{route['metadata']['resourceVersion']}"


def _without_time(wanted: Manifest, decision: Mapping[str, object]) -> Manifest:
    metadata = {key: value for key, value in wanted["metadata"].items() if key != "annotations"}
    return {"metadata": metadata, "spec": wanted["spec"], "decision": _timeless(decision)}


def _timeless(decision: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in json.loads(json.dumps(dict(decision))).items() if key != "at"}
