"""The kinds that the operator reads or writes, and where the API server keeps them."""

from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

GROUP = "recsys.dev"
MANAGER = "recsys-operator"
MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_MODEL = "recsys.dev/model"
LABEL_VERSION = "recsys.dev/version"
LABEL_COMPONENT = "recsys.dev/component"
INDEX = "batch.kubernetes.io/job-completion-index"
"""Annotation of a Job's pod."""
OWNED_SELECTOR = f"{MANAGED_BY}={MANAGER}"


@dataclass(frozen=True)
class Kind:
    """One kind. `watched` kinds are in the cache; `selector` is applied by the API server."""

    api_version: str
    name: str
    plural: str
    watched: bool = False
    selector: str = ""

    @property
    def group(self) -> str:
        """API group; empty for core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "") -> str:
        """URL path of a collection (no name) or of an object."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        space = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{space}/{self.plural}" + (f"/{name}" if name else "")


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(f"{GROUP}/v1alpha1", "RecommenderModel", "recommendermodels", watched=True),
        Kind(f"{GROUP}/v1alpha1", "ModelVersion", "modelversions", watched=True),
        Kind(f"{GROUP}/v1alpha1", "ModelAction", "modelactions", watched=True),
        Kind("batch/v1", "Job", "jobs", watched=True, selector=OWNED_SELECTOR),
        Kind("apps/v1", "Deployment", "deployments", watched=True, selector=OWNED_SELECTOR),
        Kind("v1", "Pod", "pods", watched=True, selector=OWNED_SELECTOR),
        Kind(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            watched=True,
            selector=OWNED_SELECTOR,
        ),
        Kind("v1", "Service", "services", watched=True, selector=OWNED_SELECTOR),
        Kind("v1", "ConfigMap", "configmaps"),
        Kind("v1", "Secret", "secrets"),
        Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", watched=True, selector=OWNED_SELECTOR),
        Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways", watched=True),
        Kind("coordination.k8s.io/v1", "Lease", "leases"),
        Kind("events.k8s.io/v1", "Event", "events"),
        Kind("v1", "Namespace", "namespaces"),
    )
}
WATCHED = tuple(kind for kind in KINDS.values() if kind.watched)


def is_ours(manifest: Manifest) -> bool:
    """Whether an object carries our managed-by label."""
    return bool(manifest["metadata"].get("labels", {}).get(MANAGED_BY) == MANAGER)


def owner_uid(manifest: Manifest, kind: str = "") -> str:
    """uid of the controlling owner (of that kind), or empty."""
    for owner in manifest["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and kind in ("", owner["kind"]):
            return str(owner["uid"])
    return ""


def labels_of(model: str, version: str, component: str) -> dict[str, str]:
    """The labels of everything that the operator makes."""
    labels = {MANAGED_BY: MANAGER, LABEL_MODEL: model, LABEL_COMPONENT: component}
    return labels | ({LABEL_VERSION: version} if version else {})


def owner_reference(kind: str, name: str, uid: str) -> Manifest:
    """The reference that makes an object go with its owner."""
    return {
        "apiVersion": KINDS[kind].api_version, "kind": kind, "name": name, "uid": uid,
        "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip


def contains(live: object, wanted: object) -> bool:
    """Whether `live` says all that `wanted` says: the API server's defaults may stand beside it."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(contains(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(contains, live, wanted))
    return live == wanted


def version_labels(model: str, version: str) -> dict[str, str]:
    """The labels of a ModelVersion: it has no component, it is the record itself."""
    return {MANAGED_BY: MANAGER, LABEL_MODEL: model, LABEL_VERSION: version}
