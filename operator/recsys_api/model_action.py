"""ModelAction: one verb for one model, immutable. On-call may get `create modelactions` and nothing else."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract, Observed

Verb = Literal["Rollback", "Promote", "Approve", "Abort", "Retry", "Pause", "Resume", "Pin", "Unpin", "Retrain"]

WITHOUT_VERSION: tuple[Verb, ...] = ("Pause", "Resume", "Unpin", "Retrain")
"""They concern the model, whatever its versions."""


class ModelActionSpec(Contract):
    """What somebody asked for."""

    model_name: str = Field(..., min_length=1, max_length=40)
    """Name of the RecommenderModel, in the same namespace."""
    verb: Verb
    """What to do. Rollback, Abort and Pause are always safe; Promote and Approve raise weight."""
    version: str | None = Field(None, min_length=1, max_length=128)
    """A version's name, in a Pin its artifact's digest too; required by Promote, Retry and Pin, refused of those that concern no version: Pause, Resume, Unpin, Retrain."""
    requested_by: str | None = Field(None, max_length=253)
    """Who asked, for events and the history; not verified."""
    reason: str | None = Field(None, max_length=1024)
    """Why, for events and the history."""
    ttl_seconds_after_finished: int = Field(86400, ge=0, le=31536000)
    """The action is deleted this long after it finished."""


class ModelActionStatus(Observed):
    """What became of it."""

    phase: Literal["Pending", "Done", "Refused"] = "Pending"
    """Refused: message says why."""
    message: str = ""
    """What was done, or why not."""
    finished_at: str = ""
    """When it was finished (RFC 3339, UTC)."""
