"""What another release of the operator has written, and this one cannot read: nothing is done on half a picture.

A stable version that cannot be read would be missing, and the next one would get all users as if it were the first.
"""

from recsys_operator.core import reasons
from recsys_operator.core.decision import Act, Announce, RecordModel
from recsys_operator.core.records import Step
from recsys_operator.core.text import clipped
from recsys_operator.core.world import ModelView, World

SECONDS = 300.0
"""It is looked at again after this long, and at every change."""


def leave_alone(world: World, model: ModelView) -> Step | None:
    """Say so, in an event and in the model's status as far as that can be read, and do nothing else."""
    found = [text for text in (model.unreadable, *world.unreadable) if text]
    if not found:
        return None
    message = (
        f"{found[0]}; nothing of this model is changed, by no rollback either: run the release of the operator that wrote it, "
        "or move users in the HTTPRoute by hand"
    )
    said: tuple[Act, ...] = (Announce(reasons.STATUS_UNREADABLE, message, warning=True),)
    status = model.status.model_copy(update={"reason": reasons.STATUS_UNREADABLE, "message": clipped(message)})
    if not model.unreadable and status != model.status:
        said = (RecordModel(model.resource_version, status, derived=True), *said)
    return Step(said, SECONDS)
