"""What the cache keeps of an object: what somebody reads of it."""

from recsys_operator.resources.kinds import INDEX, Manifest

__all__ = ["kept_part"]

_WITHOUT_SPEC = frozenset({"Job", "Pod"})
"""What ran is asked of the status, and what is to run of the ModelVersion."""
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def kept_part(manifest: Manifest) -> Manifest:
    """The object without what nobody reads; as it was decoded it stays unchanged."""
    kind = manifest["kind"]
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = {key: text for key, text in annotations.items() if _is_read(kind, key)}
    parts = {key: value for key, value in manifest.items() if key != "spec" or kind not in _WITHOUT_SPEC}
    return parts | {"metadata": metadata}


def _is_read(kind: str, annotation: str) -> bool:
    """A Job's pods carry its whole run file, and every pod what a user's template says."""
    return annotation == INDEX if kind == "Pod" else annotation != _APPLIED
