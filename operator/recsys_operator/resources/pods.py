"""What every pod of ours has in common: restricted, no service account token, the user's podTemplate merged in."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from recsys_api import patterns
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.resources.kinds import Manifest

PVC_ROOT = "/pvc"
USER = 1000

POD_SECURITY: Manifest = {
    "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
CONTAINER_SECURITY: Manifest = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
}  # fmt: skip


def build_pod_template(labels: Mapping[str, str], spec: Manifest, template: Mapping[str, Any]) -> Manifest:
    """A pod template from our spec and the user's podTemplate; our labels win over the user's.

    Args:
        template: `PodTemplate.to_dict()`: metadata, nodeSelector, tolerations, priorityClassName, imagePullSecrets,
            serviceAccountName.
    """
    metadata = template.get("metadata") or {}
    own: Manifest = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "securityContext": POD_SECURITY,
    }  # fmt: skip
    chosen = {key: _plain(value) for key, value in template.items() if key != "metadata" and value}
    built: Manifest = {"labels": {**(metadata.get("labels") or {}), **labels}}
    if annotations := metadata.get("annotations"):
        built["annotations"] = dict(annotations)
    return {"metadata": built, "spec": own | chosen | spec}


def build_env(values: Mapping[str, str]) -> list[Manifest]:
    """Environment of a container, sorted by name; HOME and TMPDIR are the only writable folder."""
    return [
        {"name": name, "value": value} for name, value in sorted({"HOME": "/tmp", "TMPDIR": "/tmp", **values}.items())
    ]


def secrets_of(spec: RecommenderModelSpec, *, with_data: bool) -> tuple[str, ...]:
    """Names of the Secrets with S3 settings: the data's own one first, so that the artifacts' one wins."""
    references = (spec.data.source.credentials_secret_ref if with_data else None, spec.artifacts.credentials_secret_ref)
    return tuple(dict.fromkeys(reference.name for reference in references if reference is not None))


def build_credentials(secrets: Iterable[str]) -> list[Manifest]:
    """envFrom of Secrets with S3 settings; of two with the same key the later one wins."""
    return [{"secretRef": {"name": name}} for name in secrets]


def build_claims(uris: Iterable[str], *, read_only: bool) -> tuple[list[Manifest], list[Manifest]]:
    """(volumes, mounts) for the claims of `pvc://<claim>/<path>` URIs."""
    claims = sorted({uri.removeprefix("pvc://").partition("/")[0] for uri in uris if uri.startswith("pvc://")})
    volumes = [{"name": _volume_of(claim), "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    mounts = [
        {"name": _volume_of(claim), "mountPath": f"{PVC_ROOT}/{claim}", "readOnly": read_only} for claim in claims
    ]
    return volumes, [mount if read_only else {k: v for k, v in mount.items() if k != "readOnly"} for mount in mounts]


def build_tmp() -> tuple[Manifest, Manifest]:
    """(volume, mount) of /tmp."""
    return {"name": "tmp", "emptyDir": {}}, {"name": "tmp", "mountPath": "/tmp"}


def _volume_of(claim: str) -> str:
    """A volume's name has no dots and 63 characters at most; that of a claim may have some, and 253."""
    name = f"pvc-{claim}"
    return name if re.fullmatch(patterns.LABEL_NAME, name) else f"pvc-{hashlib.sha256(claim.encode()).hexdigest()[:16]}"


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value
