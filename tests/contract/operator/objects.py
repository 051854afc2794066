"""Objects that the suites write."""

from recsys_api.model_version import ModelVersionSpec
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.resources.kinds import Manifest, labels_of, owner_reference

MODEL_SPEC = {
    "data": {"source": {"uri": "s3://lake/interactions/"}, "columns": {"timestamp": "ts"}},
    "artifacts": {"uri": "s3://models/"},
    "rollout": {"gateway": {"name": "public", "namespace": "infra", "sectionName": "https", "pathPrefix": "/movies"}},
}


def model_spec() -> RecommenderModelSpec:
    """A RecommenderModel's spec."""
    return RecommenderModelSpec.model_validate(MODEL_SPEC)


def model(namespace: str, name: str = "movies") -> Manifest:
    """A RecommenderModel."""
    return {
        "apiVersion": "recsys.dev/v1alpha1", "kind": "RecommenderModel",
        "metadata": {"name": name, "namespace": namespace}, "spec": MODEL_SPEC,
    }  # fmt: skip


def version(namespace: str, name: str = "movies-0123456789", model: str = "movies") -> Manifest:
    """A ModelVersion."""
    spec = ModelVersionSpec(
        model_name=model, number=1, spec_hash="h1:" + "0" * 64, trigger="spec",
        artifacts_uri=f"s3://models/{namespace}/{model}", source=model_spec(),
    )  # fmt: skip
    return {
        "apiVersion": "recsys.dev/v1alpha1", "kind": "ModelVersion",
        "metadata": {"name": name, "namespace": namespace, "labels": labels_of(model, name, "version")},
        "spec": spec.to_dict(),
    }  # fmt: skip


def config(namespace: str, name: str = "some-run", *, ours: bool = True, owner: str = "", text: str = "a") -> Manifest:
    """A ConfigMap."""
    metadata: Manifest = {"name": name, "namespace": namespace}
    if ours:
        metadata["labels"] = labels_of("movies", "movies-0123456789", "run")
    if owner:
        metadata["ownerReferences"] = [owner_reference("ModelVersion", "movies-0123456789", owner)]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}
