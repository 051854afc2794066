"""Manifests that the API server takes and that the CLI and the operator refuse (`recsys_api.operator_rules`)."""

from tests.manifests.bad_similarity import SIMILARITY_CASES
from tests.manifests.case import POD_METADATA, SLO, Case
from tests.manifests.fragments import key, parts

OPERATOR_CASES = (
    *SIMILARITY_CASES,
    *(
        Case(
            f"{field} that leads out: {uri}",
            {field: uri},
            (f"{field}: a segment .. leads out of the folder", f'found "{uri}"', "without it"),
        )
        for field, uri in (
            ("spec.data.source.uri", "pvc://claim/../other"),
            ("spec.data.source.uri", "s3://lake/x/.."),
            ("spec.artifacts.uri", "pvc://claim/a/../../b"),
        )
    ),
    Case(
        "parts that lead out",
        {"spec.data.split": {"strategy": "Predefined", "predefined": parts("s3://lake/x/../")}},
        ("spec.data.split.predefined.train: a segment ..", "spec.data.split.predefined.test: a segment .."),
    ),
    *(
        Case(
            f"schedule that never comes: {schedule}",
            {"spec.training.schedule": schedule},
            ("spec.training.schedule: never comes", f'found "{schedule}"', "write a day that one has"),
        )
        for schedule in ("0 3 31 2 *", "0 3 30 2 *", "0 3 31 4,6,9,11 *", "0 3 30-31 2-2 *", "0 3 31/2 2 *")
    ),
    Case(
        "window that never comes",
        {"spec.rollout.windows": [{"name": "a", "schedule": "0 0 30 2 *", "seconds": 60, "effect": "Allow"}]},
        ("spec.rollout.windows[0].schedule: never comes", "0 0 30 2 *"),
    ),
    *(
        Case(
            f"tolerance of {tolerance} at {percent}",
            {f"{SLO}.objectivePercent": percent, f"{SLO}.tolerance": tolerance},
            (
                "spec.rollout.slos[0].tolerance: tolerance x (100 - objectivePercent) is above 95",
                f'found "{tolerance}"',
            ),
        )
        for percent, tolerance in (("90", "9.51"), ("99.9", "999999999"), ("3", "1"))
    ),
    *(
        Case(
            f"{name} requested and limited otherwise: {limits}",
            {"spec.serving.resources": {"requests": {name: amount}, "limits": limits}},
            (
                "spec.serving.resources: a request is not what limits say",
                f"found {name}: ",
                "write the amount in limits",
            ),
        )
        for name, amount, limits in (
            ("example.com/fpga", 1, {}),
            ("example.com/fpga", 1, {"example.com/fpga": 2}),
            ("hugepages-2Mi", "4Mi", {"hugepages-2Mi": "8Mi"}),
            ("ephemeral-storage", "2Gi", {"ephemeral-storage": "2G"}),
        )
    ),
    *(
        Case(
            f"no whole number of {name}: {amount}",
            {"spec.serving.resources": {"limits": {name: amount, "memory": "1Gi"}}},
            ("spec.serving.resources.limits", f'found {name}: "{amount}"', "write one, as in nvidia.com/gpu: 2"),
        )
        for name, amount in (("nvidia.com/gpu", "500m"), ("hugepages-2Mi", "3Mi"), ("hugepages-0Mi", "2Mi"))
    ),
    Case(
        "huge pages alone",
        {"spec.serving.resources": {"limits": {"hugepages-2Mi": "4Mi"}}},
        ("spec.serving.resources: huge pages need cpu or memory", "add one of them to requests"),
    ),
    Case(
        "more than Kubernetes counts",
        {"spec.serving.resources": {"limits": {"memory": "1e99", "nvidia.com/gpu": "1e99"}}},
        ("spec.serving.resources.limits: an amount is above 2^63 - 1", 'memory: "1e99"', "write a smaller one"),
    ),
    *(
        Case(
            f"a resource that is too long: {where}",
            {"spec.training.resources": {"limits": limits}},
            ("spec.training.resources.limits: a name or an amount is too long", "use at most 63 characters"),
        )
        for where, limits in (
            ("name", {"example.com/" + "f" * 64: 1}),
            ("prefix", {".".join(["a" * 60] * 5) + "/f": 1}),
            ("amount", {"memory": "0" * 64 + "1"}),
        )
    ),
    *(
        Case(
            f"key that is none: {key} in {field}",
            {f"spec.serving.podTemplate.{field}": {key: "a"}},
            (
                f"spec.serving.podTemplate.{field}.{key}: ",
                f'"{key}" is not the key of a label',
                "as in example.com/team",
            ),
        )
        for field, key in (
            ("nodeSelector", "my disk"),
            ("metadata.labels", "team/"),
            ("metadata.labels", "t" * 64),
            ("metadata.labels", key(1, 64)),
            ("metadata.annotations", "Example.com/a"),
        )
    ),
    *(
        Case(
            f"domain of a key that is too long in {field}",
            {f"spec.serving.podTemplate.{field}": value},
            (
                f"spec.serving.podTemplate.{said}: a key has more than 253 characters before its /",
                f'found "{"d" * 79}…',
                "shorten that part",
            ),
        )
        for field, said, value in (
            ("nodeSelector", "nodeSelector", {"disk": "a", key(254, 62): "a"}),
            ("metadata.labels", "metadata", {"team": "a", key(315, 1): "a"}),
            ("metadata.annotations", "metadata", {key(254, 1): "a"}),
            ("tolerations", "tolerations[1].key", [{"key": key(253, 63)}, {"key": key(254, 62)}]),
        )
    ),
    Case(
        "key that is too long in every way",
        {"spec.serving.podTemplate.nodeSelector": {key(254, 63): "a"}},
        ("spec.serving.podTemplate.nodeSelector.d", "is too long; use 317 characters or fewer"),
    ),
    Case(
        "annotations that fit no pod",
        {POD_METADATA: {"annotations": {"a": "x" * 8192, "b": "é" * 4096}}},
        ("spec.training.podTemplate.metadata", "annotations have more than 16384 bytes", "shorten them"),
    ),
)
