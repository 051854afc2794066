"""What is refused in `spec.training` apart from losses, and in what manifests say of pods."""

from tests.manifests.case import POD_METADATA, Case
from tests.manifests.fragments import key

JOB_CASES = (
    Case("hostPath", {"spec.training.podTemplate.volumes": [{"hostPath": {"path": "/"}}]}, ("podTemplate.volumes",)),
    Case("privileges", {"spec.serving.podTemplate.securityContext": {"privileged": True}}, ("securityContext",)),
    Case("epochs as text", {"spec.training.epochs": "20"}, ("spec.training.epochs", "integer")),
    Case(
        "schedule with names",
        {"spec.training.schedule": "0 3 * * MON"},
        ("spec.training.schedule", '"0 3 * * MON" is not a schedule', 'as in "0 3 * * 1-5"'),
    ),
    Case("schedule of four fields", {"spec.training.schedule": "0 3 * *"}, ("spec.training.schedule", "write minute")),
    Case("hour 24", {"spec.training.schedule": "0 24 * * *"}, ("spec.training.schedule", '"0 24 * * *"')),
    Case("deadline of one second", {"spec.training.deadlineSeconds": 1}, ("spec.training.deadlineSeconds", "30")),
    Case("too many nodes", {"spec.training.nodes": 65}, ("spec.training.nodes", "64")),
    Case(
        "refit on what judges",
        {"spec.training.refit": "All"},
        ("spec.training.refit", '"All"', "Never", "TrainPlusValidation"),
    ),
    Case("a field as Python would write it", {"spec.training.batch_size": 5}, ("spec.training.batch_size",)),
    Case(
        "a quantity with a point and without quotes",
        {"spec.training.resources": {"requests": {"cpu": 1.5}}},
        ("spec.training.resources.requests",),
    ),
    Case(
        "one pull secret twice",
        {"spec.training.podTemplate.imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
        ("spec.training.podTemplate.imagePullSecrets", "Duplicate|name of its own"),
    ),
    *(
        Case(
            f"GPUs among the {side}",
            {"spec.training.resources": {side: {"nvidia.com/gpu": 1}}},
            (f"spec.training.resources.{side}", "nvidia.com/gpu has no place here", "set gpusPerNode"),
        )
        for side in ("requests", "limits")
    ),
    Case(
        "not a quantity",
        {"spec.training.resources.requests.memory": "4 GB"},
        ("spec.training.resources.requests", "an amount is not a quantity", "memory: 4Gi"),
    ),
    Case(
        "a negative quantity",
        {"spec.serving.resources": {"limits": {"cpu": -1}}},
        ("spec.serving.resources.limits", "not negative"),
    ),
    *(
        Case(
            f"no CPU: {amount}",
            {"spec.serving.resources": {"requests": {"cpu": amount}}},
            ("spec.serving.resources.requests", "cpu is 0", "request some"),
        )
        for amount in ("0", "0m", ".0", "0e3")
    ),
    Case(
        "unknown resource",
        {"spec.training.resources.limits": {"mem": "1Gi"}},
        ("spec.training.resources.limits", "a resource is not known", "use cpu, memory"),
    ),
    Case(
        "huge pages of no size",
        {"spec.training.resources": {"limits": {"hugepages-large": 1, "cpu": 1}}},
        ("spec.training.resources.limits", "a resource is not known", "hugepages-<size>"),
    ),
    Case(
        "a name for pods",
        {POD_METADATA: {"name": {"x": "y"}}},
        ("spec.training.podTemplate.metadata", "labels and annotations only; remove the rest"),
    ),
    Case(
        "a label of ours",
        {POD_METADATA: {"labels": {"recsys.dev/model": "x"}}},
        ("spec.training.podTemplate.metadata", "a key under recsys.dev/", "remove it"),
    ),
    Case(
        "managed-by",
        {"spec.serving.podTemplate.metadata": {"annotations": {"app.kubernetes.io/managed-by": "x"}}},
        ("spec.serving.podTemplate.metadata", "app.kubernetes.io/managed-by", "remove it"),
    ),
    Case(
        "a label value with spaces",
        {POD_METADATA: {"labels": {"team": "my team"}}},
        ("spec.training.podTemplate.metadata", "use at most 63 letters, digits"),
    ),
    *(
        Case(
            f"requests of {request} above {limit}",
            {f"spec.{part}.resources": {"requests": {name: request}, "limits": {name: limit}}},
            (f"spec.{part}.resources", f"requests.{name} is above limits.{name}", "raise the limit"),
        )
        for part, name, request, limit in (
            ("training", "memory", "4Gi", "4G"),
            ("serving", "cpu", 2, "1999m"),
            ("training", "cpu", "1e3", "999"),
            ("serving", "memory", "1", "500m"),
        )
    ),
    *(
        Case(
            f"toleration that {why}",
            {f"spec.{part}.podTemplate.tolerations": [{"key": "a", "operator": "Exists"}, toleration]},
            (f"spec.{part}.podTemplate.tolerations[1]", *words),
        )
        for part, why, toleration, words in (
            ("training", "compares nothing", {"effect": "NoSchedule"}, ("key is empty", "operator: Exists")),
            ("serving", "compares an empty key", {"key": "", "operator": "Equal"}, ("key is empty",)),
            ("serving", "has a value for nothing", {"key": "a", "operator": "Exists", "value": "b"}, ("remove value",)),
            ("training", "ends nothing", {"key": "a", "tolerationSeconds": 5}, ("set effect to NoExecute",)),
        )
    ),
    *(
        Case(
            f"node label that is none: {value}",
            {f"spec.{part}.podTemplate.nodeSelector": {"disk": value}},
            (f"spec.{part}.podTemplate.nodeSelector.disk", "should match|is not the value of a label; use at most 63"),
        )
        for part, value in (("training", "my disk"), ("serving", "-ssd"))
    ),
    Case(
        "node label that is too long",
        {"spec.training.podTemplate.nodeSelector": {"disk": "s" * 64}},
        ("spec.training.podTemplate.nodeSelector.disk", "63"),
    ),
    Case(
        "queue whose name fits no label",
        {"spec.training.queueName": "q" * 60 + ".team"},
        ("spec.training.queueName", "63"),
    ),
    *(
        Case(
            f"toleration with {field} {str(value)[:80]}",
            {"spec.serving.podTemplate.tolerations": [{"key": "a", field: value}]},
            (f"spec.serving.podTemplate.tolerations[0].{field}", *words),
        )
        for field, value, words in (
            ("key", "a b", ("should match|is not the key of a taint; use at most 63", "should match|example.com/team")),
            ("key", key(254, 63), ("317",)),
            ("key", key(1, 64), ("should match|is not the key of a taint; use at most 63",)),
            ("value", "b=c", ("should match|is not the value of a label",)),
            ("tolerationSeconds", 2**31, ("2147483647",)),
        )
    ),
    Case(
        "toleration of an unknown effect",
        {"spec.training.podTemplate.tolerations": [{"key": "x", "effect": "Never"}]},
        ("spec.training.podTemplate.tolerations[0].effect", "NoSchedule"),
    ),
    Case(
        "toleration of an unknown operator",
        {"spec.serving.podTemplate.tolerations": [{"key": "x", "operator": "exists"}]},
        ("spec.serving.podTemplate.tolerations[0].operator", "Exists"),
    ),
    Case(
        "toleration that lasts a text",
        {"spec.training.podTemplate.tolerations": [{"key": "x", "tolerationSeconds": "60"}]},
        ("spec.training.podTemplate.tolerations[0].tolerationSeconds", "integer"),
    ),
)
