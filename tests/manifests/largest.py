"""The largest manifest that is accepted: everything as long, and as many, as a RecommenderModel may have."""

import json
from typing import Any

from tests.manifests.case import Manifest

from recsys_api.operator_rules import MAX_ANNOTATION_BYTES

CONTROL = "\x01"
"""Six bytes in JSON."""
WIDE = "\U0001f600"
"""Four bytes in UTF-8."""
KEY = "d" * 253 + "/"


def _key(n: int) -> str:
    """The n-th of the longest keys of labels."""
    return KEY + f"{n:02d}".rjust(63, "k")


def _object_name(n: int) -> str:
    return f"{n:02d}." + ".".join(["o" * 61] * 4)


def _uri(scheme: str, folder: str = "") -> str:
    return (scheme + folder).ljust(1024, WIDE)


def _name(n: int) -> str:
    return f"{n:02d}".rjust(40, "n")


def _annotations() -> dict[str, str]:
    """As large as a pod may have them."""
    made = {_key(n): "" for n in range(8)}
    room = MAX_ANNOTATION_BYTES - len(json.dumps(made))
    return made | {_key(0): "&" * room}


def _pods() -> Manifest:
    toleration = {"value": "v" * 63, "operator": "Equal", "effect": "NoExecute", "tolerationSeconds": 2**31 - 1}
    return {
        "metadata": {"labels": {_key(n): "l" * 63 for n in range(64)}, "annotations": _annotations()},
        "nodeSelector": {_key(n): "s" * 63 for n in range(32)},
        "tolerations": [{"key": _key(n), **toleration} for n in range(32)],
        "priorityClassName": _object_name(0),
        "imagePullSecrets": [{"name": _object_name(n)} for n in range(16)],
        "serviceAccountName": _object_name(0),
    }


def _resources() -> dict[str, Any]:
    amounts = {f"{'.'.join(['d' * 61] * 4)}/{f'{n:02d}'.rjust(63, 'r')}": "1".rjust(64, "0") for n in range(15)}
    both = {**amounts, "cpu": "1".rjust(64, "0")}
    return {"requests": both, "limits": both}


def largest_model() -> Manifest:
    """Accepted, and refused if one of its texts or lists were longer."""
    folder = "s3://lake/".ljust(1024 - len("/validation"), WIDE)
    columns = ("user", "item", "timestamp", "rating", "userGroup", "itemGroup")
    steps = [
        {"name": _name(n), "weight": 81 + n, "minSamples": 10**9, "maxSeconds": 604800, "approval": "NotRequired"}
        for n in range(20)
    ]
    indicator = {"type": "Latency", "thresholdMilliseconds": 5000}
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "RecommenderModel",
        "metadata": {"name": "m" * 40, "namespace": "n" * 63},
        "spec": {
            "data": {
                "source": {"uri": folder, "format": "RecBole", "credentialsSecretRef": {"name": _object_name(0)}},
                "columns": {each: str(n).rjust(128, CONTROL) for n, each in enumerate(columns)},
                "split": {
                    "strategy": "Predefined",
                    "predefined": {part: _uri(f"{folder}/", part) for part in ("train", "validation", "test")},
                },
            },
            "artifacts": {"uri": _uri("s3://models/"), "credentialsSecretRef": {"name": _object_name(1)}},
            "model": {
                "architecture": "NeuMF",
                "hiddenLayers": [16384] * 16,
                "pretraining": {"learningRate": 0.123456789},
            },
            "training": {"resources": _resources(), "podTemplate": _pods(), "queueName": "q" * 63, "schedule": _cron()},
            "evaluation": {
                "gates": [
                    {
                        "name": _name(n),
                        "metric": {"name": "Precision", "k": 100},
                        "atLeast": "0.123456789",
                        "population": "Warm",
                    }
                    for n in range(16)
                ],
                "onUndecided": "Reject",
                "maxUsers": 10**9,
                "baselines": {"popularityHalfLifeSeconds": 10**10},
            },
            "serving": {"replicas": 1000, "resources": _resources(), "podTemplate": _pods()},
            "rollout": {
                "gateway": {
                    "name": _object_name(0),
                    "namespace": "n" * 63,
                    "sectionName": _object_name(0),
                    "hostname": ".".join(["h" * 63] * 3),
                    "pathPrefix": "/".ljust(256, "p"),
                },
                "steps": steps,
                "slos": [
                    {
                        "name": _name(n),
                        "sli": indicator,
                        "objectivePercent": "99.123456789",
                        "tolerance": "2.123456789",
                    }
                    for n in range(8)
                ],
                "windows": [{"name": _name(n), "schedule": _cron(), "seconds": 2678400} for n in range(16)],
            },
        },
    }


def _cron() -> str:
    return "0 " + ",".join(["10-22/5"] * 11) + " 1 1 *"
