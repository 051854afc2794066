"""What an HTTPRoute of ours says: who gets how much, and the operator's own words about it."""

import json

from recsys_local.demo.api import Object

DECISION = "recsys.dev/decision"


def weights_of(route: Object) -> dict[str, int]:
    """{backend: percent} of the rule that splits by weight (the last one)."""
    rules = route["spec"].get("rules", [])
    refs = rules[-1].get("backendRefs", []) if rules else []
    return {ref["name"]: int(ref.get("weight", 1)) for ref in refs}


def decision_of(route: Object) -> Object:
    """The operator's own words about this route, if any."""
    return dict(json.loads(route["metadata"].get("annotations", {}).get(DECISION, "{}")))
