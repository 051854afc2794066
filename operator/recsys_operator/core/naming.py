"""Every name that the operator gives to a child (docs/contracts.md section 8), in one place.

Names are functions of what the object is for, so that creating something twice is impossible.
"""

import hashlib

from recsys_operator.core.decision import StartJob

LIMIT = 60
"""Longest name of a Job: the pod's host name adds `-<index>` and must stay below 64 characters."""

_SUFFIX = {"prepare": "prepare", "train": "train"}


def job_name(version: str, act: StartJob) -> str:
    """`<version>-prepare`, `-train` or `-eval-<key>`, from the second attempt on with `-<attempt>`; `<version>-report-<one of these>`."""
    if act.stage == "report":
        stage = StartJob(version, act.reports_stage or "train", act.attempt, act.key)
        return _fit(f"{version}-report-{_stage_suffix(stage)}")
    return _fit(f"{version}-{_stage_suffix(act)}")


def serving_name(version: str) -> str:
    """Deployment, Service and HorizontalPodAutoscaler of a version."""
    return version


def route_name(model: str) -> str:
    """The HTTPRoute."""
    return model


def stable_service_name(model: str) -> str:
    """The Service for callers inside the cluster, pinned to the stable version."""
    return f"{model}-stable"


def keys_name(model: str) -> str:
    """The Secret with bucket and token keys."""
    return f"{model}-keys"


def _stage_suffix(act: StartJob) -> str:
    base = f"eval-{act.key}" if act.stage == "evaluate" else _SUFFIX[act.stage]
    return base if act.attempt <= 1 else f"{base}-{act.attempt}"


def _fit(name: str) -> str:
    if len(name) <= LIMIT:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LIMIT - 9].rstrip('-')}-{digest}"
