"""Training: fit and export in one Job."""

from recsys_api.run_spec import TrainResult
from recsys_operator.core import reasons
from recsys_operator.core.phases.evaluating import evaluation_run
from recsys_operator.core.phases.stages import StageRun, attempt_of, run_stage
from recsys_operator.core.records import Step, announce, build_condition, move
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def decide_training(scene: Scene, version: VersionView) -> Step:
    """Training -> Evaluating | Failed."""
    answer = run_stage(scene, version, StageRun(version.name, "train", attempt_of(version, "train")))
    if isinstance(answer, Step):
        return answer
    assert isinstance(answer, TrainResult)
    message = f"trained {answer.epochs} epochs in {answer.seconds:.0f} s on {answer.device or 'an unknown device'}"
    if answer.message:
        message = f"{message}; {answer.message}"
    done = move(
        scene, version, "Evaluating", reasons.EVALUATING, message, digest=answer.digest,
        training=answer.model_dump(mode="json", by_alias=True, exclude={"kind", "error"}),
        condition=build_condition(scene, "Trained", True, reasons.EVALUATING, message),
    )  # fmt: skip
    started = () if scene.suspended else (evaluation_run(scene, version).start(),)
    return Step((done, *started, announce(version, reasons.EVALUATING, message)), 10.0)
