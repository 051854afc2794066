"""What the controller of a Gateway says about an HTTPRoute."""

from typing import Any

from recsys_operator.resources.kinds import Manifest


def parent_of(route: Manifest) -> Manifest | None:
    """The reference to its Gateway; None where somebody took it away."""
    return next(iter(route["spec"].get("parentRefs") or ()), None)


def gateways_of(route: Manifest) -> tuple[tuple[str, str], ...]:
    """(namespace, name) of the Gateways that it hangs on."""
    return tuple(
        (parent.get("namespace", route["metadata"]["namespace"]), parent["name"])
        for parent in route["spec"].get("parentRefs") or ()
    )


def is_accepted(route: Manifest, gateway: Manifest | None) -> tuple[bool, str]:
    """Whether our parentRef has Accepted and ResolvedRefs at this generation and its listener is Programmed; else why not.

    Args:
        gateway: the Gateway of its parentRef, None where it is not known: then its listeners are not judged.
    """
    parent = parent_of(route)
    if parent is None:
        return False, "the route names no Gateway: somebody removed its parentRefs"
    generation = route["metadata"].get("generation", 0)
    answers = [
        entry for entry in (route.get("status") or {}).get("parents") or ()
        if _same_parent(entry["parentRef"], parent, route["metadata"]["namespace"])
    ]  # fmt: skip
    if not answers:
        return False, f"no controller has answered for Gateway {parent['name']}"
    for entry in answers:
        if (problem := _problem(entry, generation)) is None:
            return _programmed(gateway, parent)
    return False, problem or ""


def _same_parent(one: Manifest, other: Manifest, namespace: str) -> bool:
    return all(
        one.get(key, default) == other.get(key, default)
        for key, default in (("namespace", namespace), ("name", None), ("sectionName", None))
    )


def _problem(entry: Manifest, generation: int) -> str | None:
    found: dict[str, Any] = {condition["type"]: condition for condition in entry.get("conditions") or ()}
    for name, good in (("Accepted", "True"), ("ResolvedRefs", "True"), ("PartiallyInvalid", "False")):
        condition = found.get(name)
        if condition is None and name == "PartiallyInvalid":
            continue
        if condition is None or condition.get("observedGeneration", generation) < generation:
            return f"{name} is not yet known for generation {generation}"
        if condition["status"] != good:
            return f"{name} is {condition['status']}: {condition.get('message') or condition.get('reason')}"
    return None


def _programmed(gateway: Manifest | None, parent: Manifest) -> tuple[bool, str]:
    if gateway is None:
        return True, ""
    listeners = [
        listener for listener in (gateway.get("status") or {}).get("listeners") or ()
        if parent.get("sectionName") in (None, listener["name"])
    ]  # fmt: skip
    for listener in listeners:
        if any(c["type"] == "Programmed" and c["status"] == "True" for c in listener.get("conditions") or ()):
            return True, ""
    return False, f"no listener of Gateway {gateway['metadata']['name']} is Programmed"
