"""Views for tests."""

from typing import Any

from recsys_api.model_version import ModelVersionSpec, ModelVersionStatus, ServingTemplate
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.core.world import VersionView

TEMPLATE = ServingTemplate(
    revision="r1", image="serving:1", resources={"requests": {"cpu": "500m", "memory": "1Gi"}}, top_k=50,
    request_timeout_milliseconds=800,
)  # fmt: skip


def model_spec(**sections: Any) -> RecommenderModelSpec:
    """A spec; sections replace or add to the least one."""
    least: dict[str, Any] = {
        "data": {"source": {"uri": "s3://lake/interactions/"}},
        "artifacts": {"uri": "s3://models/", "credentialsSecretRef": {"name": "s3"}},
        "rollout": {"gateway": {"name": "public", "pathPrefix": "/movies"}},
    }
    return RecommenderModelSpec.model_validate(least | sections)


def version_view(
    name: str = "movies-0123456789", *, spec: RecommenderModelSpec | None = None, **status: Any
) -> VersionView:
    """A version in Warming, with its template recorded."""
    chosen = {"phase": "Warming", "digest": "sha256:" + "a" * 64, "template": TEMPLATE} | status
    return VersionView(
        name=name, uid=f"uid-of-{name}", resource_version="7", created_at=0.0,
        spec=ModelVersionSpec(
            model_name="movies", number=1, spec_hash="h1:" + "0" * 64, trigger="spec",
            artifacts_uri="s3://models/shop/movies", source=spec or model_spec(),
        ),
        status=ModelVersionStatus(**chosen),
    )  # fmt: skip
