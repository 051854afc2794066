"""RecommenderModel: the one resource that people write. Docstrings here and in `spec` are what `kubectl explain` prints."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract
from recsys_api.field_types import Uri
from recsys_api.spec.data import Data
from recsys_api.spec.evaluation import Evaluation
from recsys_api.spec.model import Model
from recsys_api.spec.pods import SecretReference
from recsys_api.spec.rollout import Rollout
from recsys_api.spec.serving import Serving
from recsys_api.spec.training import Training


class Artifacts(Contract):
    """Where snapshots, models and reports are kept."""

    uri: Uri
    """Folder that this model writes below, in `<namespace>/<model>/`: s3:// or pvc://claim/path, or gs:// and az:// with images
    that have gcsfs or adlfs. Immutable."""
    credentials_secret_ref: SecretReference | None = None
    """Keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION."""


class RecommenderModelSpec(Contract):
    """What the team wants."""

    data: Data
    artifacts: Artifacts
    model: Model = Model()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    serving: Serving = Serving()
    rollout: Rollout
    history_limit: int = Field(10, ge=2, le=1000)
    """ModelVersions that are kept. Older ones that have ended are deleted, but never those that were rolled back; what lies in
    the artifacts' store stays."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """Whether the ModelVersions stay when the model is deleted; a model of the same name adopts them again."""
    suspend: bool | None = None
    """Operational, never in Git: no new Job and no new rollout while true; rollbacks still happen."""
