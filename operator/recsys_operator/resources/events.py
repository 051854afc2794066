"""Kubernetes Events (events.k8s.io/v1)."""

from dataclasses import dataclass
from datetime import UTC, datetime

from recsys_operator.resources.kinds import KINDS, MANAGER, Manifest

NOTE_BYTES = 1024


@dataclass(frozen=True)
class Regarding:
    """The object that an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str


def build_event(
    about: Regarding, reason: str, message: str, warning: bool, now: float, instance: str, salt: bytes
) -> Manifest:
    """An Event.

    Args:
        now: seconds since the epoch.
        instance: name of our pod.
        salt: makes the name unique.
    """
    return {
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": f"{about.name[:200]}.{salt.hex()}{int(now * 1000):x}", "namespace": about.namespace},
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "regarding": {
            "apiVersion": KINDS[about.kind].api_version, "kind": about.kind,
            "namespace": about.namespace, "name": about.name, "uid": about.uid,
        },
        "reason": reason[:128], "action": reason[:128], "type": "Warning" if warning else "Normal",
        "note": message.encode()[:NOTE_BYTES].decode(errors="ignore"),
        "reportingController": f"recsys.dev/{MANAGER}", "reportingInstance": instance[:128] or MANAGER,
    }  # fmt: skip
