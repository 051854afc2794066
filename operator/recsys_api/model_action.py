"""ModelAction: one verb for one model, immutable. On-call may get `create modelactions` and nothing else."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract, Observed

Verb = Literal["Rollback", "Promote", "Approve", "Abort", "Retry", "Pause", "Resume", "Pin", "Unpin", "Retrain"]


class ModelActionSpec(Contract):
    """What somebody asked for."""

    model_name: str = Field(..., min_length=1, max_length=40)
    verb: Verb
    version: str | None = Field(None, min_length=1, max_length=128)
    """A version's name; required by Promote, Retry and Pin."""
    requested_by: str | None = Field(None, max_length=253)
    reason: str | None = Field(None, max_length=1024)
    ttl_seconds_after_finished: int = Field(86400, ge=0, le=31536000)


class ModelActionStatus(Observed):
    """What became of it."""

    phase: Literal["Pending", "Done", "Refused"] = "Pending"
    message: str = ""
    finished_at: str = ""
