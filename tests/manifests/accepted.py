"""The nearest good ones: a rule that refuses too much is as wrong as one that is missing."""

from tests.manifests.case import ABSENT, GATE, POD_METADATA, SLO, STEPS, Case
from tests.manifests.fragments import als, key, mf, parts

ACCEPTED_CASES = (
    Case(
        "fields that are null, as where all below them is a comment",
        {"spec.data.split": None, "spec.data.columns.rating": None, "spec.training.epochs": None},
        (),
    ),
    Case("an integer with a point", {"spec.training.epochs": 4.0}, ()),
    Case("name of 40 characters", {"metadata.name": "m" * 40}, ()),
    Case("a claim", {"spec.data.source.uri": "pvc://claim/folder/x.parquet", "spec.artifacts.uri": "pvc://claim"}, ()),
    Case("other stores", {"spec.data.source.uri": "gs://bucket/x", "spec.artifacts.uri": "az://container/x"}, ()),
    Case(
        "random split without times",
        {"spec.data.columns": {}, "spec.data.split": {"strategy": "Random", "seed": 5}},
        (),
    ),
    Case(
        "lines in parts",
        {
            "spec.data.source": {"uri": "s3://lake/x", "format": "UserItem"},
            "spec.data.columns": {"rating": "weight"},
            "spec.data.split": {"strategy": "Predefined", "predefined": parts("s3://lake/x/")},
            "spec.data.filter": {"minUserInteractions": 5, "minItemInteractions": 5},
        },
        (),
    ),
    Case("ratings without times", {"spec.data.columns": {"rating": "r"}, "spec.data.split.strategy": "Random"}, ()),
    Case("groups", {"spec.data.columns.userGroup": "country", "spec.data.columns.itemGroup": "genre"}, ()),
    Case("a pattern", {"spec.data.source.uri": "s3://lake/day=2026-*/part-?.parquet"}, ()),
    Case("a week and a day", {"spec.data.split": {"testSeconds": 604800, "validationSeconds": 86400}}, ()),
    Case("one share", {"spec.data.split.testFraction": 0.49}, ()),
    Case("last of each user", {"spec.data.split": {"strategy": "LeaveOneOut"}}, ()),
    Case("largest parts", {"spec.data.split": {"testFraction": 0.45, "validationFraction": 0.44}}, ()),
    Case("GMF", {"spec.model": {"architecture": "GMF"}}, ()),
    Case("GMF that says it has no layers", {"spec.model": {"architecture": "GMF", "hiddenLayers": []}}, ()),
    Case("MLP with default layers", {"spec.model": {"architecture": "MLP"}}, ()),
    Case("batch norm and pre-training", {"spec.model.batchNorm": True, "spec.model.pretraining": {"alpha": 0.3}}, ()),
    Case("ImplicitALS", {"spec.model": als(leastSquares={"unobservedWeight": 0.3, "solver": "Cholesky"})}, ()),
    Case(
        "ImplicitALS with weights",
        {"spec.data.columns.rating": "plays", "spec.model": als(leastSquares={"confidenceScale": 40})},
        (),
    ),
    Case("compiled steps", {"spec.training": {"compile": True, "gpusPerNode": 2, "optimizer": {"type": "SGD"}}}, ()),
    Case("steps of a CPU that are not compiled", {"spec.training.compile": False}, ()),
    *(
        Case(
            f"stickiness {kind} and {without}",
            {"spec.rollout.stickiness": {"type": kind, "withoutBucket": without}},
            (),
        )
        for kind, without in (("None", "Weighted"), ("UserBucket", "Stable"))
    ),
    Case("PureSVD", {"spec.model": {"architecture": "PureSVD"}}, ()),
    Case("sweeps", {"spec.model": als(), "spec.training": {"epochs": 10, "patience": 2}}, ()),
    Case(
        "defaults that the API server fills in",
        {
            "spec.model": {"architecture": "PureSVD"},
            "spec.training": {"epochs": 20, "patience": 3, "batchSize": 4096, "nodes": 1},
        },
        (),
    ),
    Case(
        "factorization with a loss of its own",
        {"spec.model": mf(), "spec.training.loss": {"type": "CosineContrastive", "margin": 0.4, "negativeWeight": 64}},
        (),
    ),
    Case(
        "a batch's own items on one GPU",
        {"spec.model": mf(), "spec.training": {"loss": {"sampling": "InBatch"}, "nodes": 1, "gpusPerNode": 1}},
        (),
    ),
    Case(
        "drawn items on several nodes",
        {"spec.model": mf(), "spec.training": {"loss": {"sampling": "Uniform"}, "nodes": 2, "gpusPerNode": 4}},
        (),
    ),
    *(
        Case(
            f"split tables with {loss}",
            {
                "spec.model": mf(similarity="Dot"),
                "spec.training": {
                    "tables": "Sharded",
                    "nodes": 2,
                    "optimizer": {"type": "RowWiseAdagrad"},
                    "loss": {"type": loss},
                },
            },
            (),
        )
        for loss in ("BCE", "BPR", "SampledSoftmax")
    ),
    *(
        Case(
            f"{similarity} with {loss}",
            {"spec.model": mf(similarity=similarity), "spec.training.loss": {"type": loss}},
            (),
        )
        for similarity, loss in (
            ("Dot", "BCE"),
            ("Dot", "BPR"),
            ("Dot", "SampledSoftmax"),
            ("Cosine", "SampledSoftmax"),
            ("Dot", "CrossEntropy"),
            ("Cosine", "CrossEntropy"),
            ("Cosine", "CosineContrastive"),
        )
    ),
    Case("no penalty", {"spec.model.regularization": 0}, ()),
    Case("whole tables, said", {"spec.training.tables": "Replicated"}, ()),
    Case("factorization with the default loss", {"spec.model": mf(), "spec.training.loss.sampling": "Popularity"}, ()),
    Case(
        "ratings",
        {
            "spec.data.columns.rating": "stars",
            "spec.model": {"architecture": "ProbabilisticMF", "probabilistic": {"sigma": 0.8}},
        },
        (),
    ),
    Case("schedule with lists and steps", {"spec.training.schedule": "*/15 3-5,22 1,15 * 0-6/2"}, ()),
    *(
        Case(
            f"requests of {request} and limits of {limit}",
            {"spec.training.resources": {"requests": {"cpu": request}, "limits": {"cpu": limit}}},
            (),
        )
        for request, limit in ((2, "2000m"), ("500m", ".5"), ("1e3", "1k"), ("1", "1Ki"))
    ),
    Case(
        "a request without its limit",
        {"spec.serving.resources": {"requests": {"cpu": 1}, "limits": {"memory": "2Gi"}}},
        (),
    ),
    Case(
        "tolerations",
        {
            "spec.training.podTemplate.tolerations": [
                {"operator": "Exists"},
                {"key": "a", "value": "b"},
                {"key": "a", "operator": "Equal", "value": ""},
                {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5},
                {"key": "b", "effect": "NoExecute", "tolerationSeconds": -1},
                {"key": "a", "operator": "Exists", "value": ""},
            ]
        },
        (),
    ),
    *(
        Case(
            f"longest key of {field}",
            {f"spec.{part}.podTemplate.{field}": value},
            (),
        )
        for part, field, value in (
            ("serving", "nodeSelector", {key(253, 63): "a"}),
            ("serving", "metadata.labels", {key(253, 63): "a", ".".join(["d" * 62] * 4) + "/n": "a"}),
            ("training", "metadata.annotations", {key(253, 63): "a"}),
            ("training", "tolerations", [{"key": key(253, 63), "value": "a"}]),
        )
    ),
    Case("amounts", {"spec.training.resources.requests": {"cpu": 2, "memory": "1.5Gi"}}, ()),
    Case(
        "devices, huge pages and disk",
        {
            "spec.serving.resources": {
                "requests": {"example.com/fpga": "1", "hugepages-2Mi": "4Mi", "cpu": 1, "ephemeral-storage": "1Gi"},
                "limits": {
                    "example.com/fpga": 1,
                    "hugepages-2Mi": "4096Ki",
                    "nvidia.com/gpu": 2,
                    "ephemeral-storage": "2Gi",
                },
            }
        },
        (),
    ),
    Case(
        "schedules of days that come now and then",
        {
            "spec.training.schedule": "0 3 29 2 *",
            "spec.rollout.windows": [
                {"name": "a", "schedule": "0 0 31 4,12 *", "seconds": 60},
                {"name": "b", "schedule": "0 0 31 2 1", "seconds": 60},
                {"name": "c", "schedule": "0 0 30-1 2 *", "seconds": 60},
            ],
        },
        (),
    ),
    Case("dots that are no way out", {"spec.data.source.uri": "pvc://claim/..a/b../a..b/.../x"}, ()),
    Case("most that an SLO may stand", {f"{SLO}.objectivePercent": "90", f"{SLO}.tolerance": "9.5"}, ()),
    Case("amounts as short as can be", {"spec.training.resources.requests": {"cpu": ".5", "memory": "1.e9"}}, ()),
    Case("amounts in other units", {"spec.serving.resources": {"limits": {"cpu": "1e1", "memory": 2000000000}}}, ()),
    Case(
        "labels and annotations of pods",
        {POD_METADATA: {"labels": {"team": "ml", "x.dev/y": ""}, "annotations": {"note": "any text at all"}}},
        (),
    ),
    Case("limits at the ends", {f"{GATE}.atLeast": "1", "spec.data.validation.maxNullFraction": "1"}, ()),
    Case("no gates", {"spec.evaluation": {}}, ()),
    Case("autoscaling", {"spec.serving": {"autoscaling": {"minReplicas": 3, "maxReplicas": 3}}}, ()),
    Case("one step", {STEPS: [{"name": "all", "weight": 100}]}, ()),
    Case("default steps", {STEPS: ABSENT}, ()),
    Case("strictest objective", {f"{SLO}.objectivePercent": "99.999999999", f"{SLO}.tolerance": "1"}, ()),
    Case(
        "tight fallback objective",
        {SLO: {"name": "model", "sli": {"type": "Fallback"}, "objectivePercent": "99.5"}},
        (),
    ),
    Case("pin", {"spec.rollout.pinnedVersion": "movies-0123456789", "spec.rollout.paused": True}, ()),
    Case("wildcard host and root path", {"spec.rollout.gateway": {"name": "p", "hostname": "*.example.com"}}, ()),
)
