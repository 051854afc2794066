"""Pending and Preparing: the data becomes an immutable snapshot before a GPU is asked for."""

from recsys_api.run_spec import PrepareResult
from recsys_operator.core import reasons
from recsys_operator.core.phases.stages import StageRun, attempt_of, no_job, run_stage
from recsys_operator.core.records import Step, announce, move
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView

AUTOMATIC = ("schedule/", "action/")
"""Triggers under which the same data again is no reason to train."""


def decide_pending(scene: Scene, version: VersionView) -> Step:
    """Pending -> Preparing."""
    if scene.suspended:
        return no_job(scene, version)
    run = _run(scene, version)
    started = move(scene, version, "Preparing", reasons.PREPARING, "the data is validated and becomes a snapshot")
    return Step((started, run.start()), 10.0)


def decide_preparing(scene: Scene, version: VersionView) -> Step:
    """Preparing -> Training | NoNewData | Invalid."""
    answer = run_stage(scene, version, _run(scene, version))
    if isinstance(answer, Step):
        return answer
    assert isinstance(answer, PrepareResult)
    if twin := _same_data(scene, version, answer.digest):
        message = f"the data is the same as {twin.name}'s"
        done = move(scene, version, "NoNewData", reasons.NO_NEW_DATA, message, snapshot_digest=answer.digest)
        return Step((done, announce(version, reasons.NO_NEW_DATA, message)))
    message = f"{answer.rows} rows, {answer.users} users, {answer.items} items, {answer.quarantined} rows quarantined"
    done = move(scene, version, "Training", reasons.TRAINING, message, snapshot_digest=answer.digest)
    train = StageRun(version.name, "train", attempt_of(version, "train")).start()
    started = () if scene.suspended else (train,)
    return Step((done, *started, announce(version, reasons.TRAINING, message)), 10.0)


def _run(scene: Scene, version: VersionView) -> StageRun:
    """Told the stable version, because its snapshot is taken over where the data is the same."""
    stable = scene.stable.name if scene.stable is not None and scene.stable.name != version.name else ""
    return StageRun(version.name, "prepare", attempt_of(version, "prepare"), stable=stable)


def _same_data(scene: Scene, version: VersionView, digest: str) -> VersionView | None:
    if not version.spec.trigger.startswith(AUTOMATIC) or not digest:
        return None
    others = [
        v for v in scene.versions
        if v.spec.spec_hash == version.spec.spec_hash and v.name != version.name
        and v.status.digest and not v.status.quarantined
    ]  # fmt: skip
    newest = others[-1] if others else None
    return newest if newest is not None and newest.status.snapshot_digest == digest else None
