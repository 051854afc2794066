"""A manifest of each kind that is accepted."""

from tests.manifests.case import Manifest
from tests.manifests.fragments import latency


def good_model() -> Manifest:
    """A RecommenderModel that is accepted; small, because every test sends one."""
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "RecommenderModel",
        "metadata": {"name": "admission", "namespace": "default"},
        "spec": {
            "data": {"source": {"uri": "s3://lake/x/"}, "columns": {"timestamp": "ts"}},
            "artifacts": {"uri": "s3://models/", "credentialsSecretRef": {"name": "s3"}},
            "model": {"architecture": "NeuMF", "hiddenLayers": [32, 16]},
            "training": {"resources": {"requests": {"cpu": "500m"}}, "podTemplate": {"nodeSelector": {"disk": "ssd"}}},
            "evaluation": {"gates": [{"name": "floor", "metric": {"name": "NDCG"}, "atLeast": "0.05"}]},
            "serving": {"replicas": 2},
            "rollout": {
                "gateway": {"name": "public", "namespace": "infra", "pathPrefix": "/movies"},
                "steps": [{"name": "first", "weight": 5}, {"name": "all", "weight": 100}],
                "slos": [{"name": "fast", "sli": latency(50), "objectivePercent": "99"}],
            },
        },
    }


def good_action() -> Manifest:
    """A ModelAction that is accepted."""
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "ModelAction",
        "metadata": {"name": "admission", "namespace": "default"},
        "spec": {"modelName": "movies", "verb": "Rollback"},
    }


def good_version() -> Manifest:
    """A ModelVersion that is accepted."""
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": "admission-0123456789", "namespace": "default"},
        "spec": {
            "modelName": "admission",
            "number": 1,
            "specHash": "h1:00",
            "trigger": "spec",
            "artifactsUri": "s3://models/default/admission",
            "source": good_model()["spec"],
        },
    }
