"""What the Jobs of a stage say, told apart once for all three stages.

no Job                     -> start it
complete, result           -> the stage's own rules
complete, no result        -> a report Job reads it from the store
failed 64..78              -> the user's to fix: the stage ends
OOMKilled                  -> one more attempt, then OutOfMemory
another 137                -> one more attempt within backoffLimit
DeadlineExceeded, others   -> Failed with the reason
suspended                  -> whom it waits for: its own deadline does not run
running                    -> the scheduler's or kubelet's words in status while it cannot start
"""

from dataclasses import dataclass

from recsys_api.exit_codes import USER_ERRORS, ExitCode
from recsys_api.model_version import Phase
from recsys_api.run_spec import EvaluateResult, PrepareResult, TrainResult
from recsys_operator.core import naming, reasons
from recsys_operator.core.decision import StartJob
from recsys_operator.core.records import Step, announce, move, record, wait
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import JobView, Stage, VersionView

KILLED = 137
OOM_KILLED = "OOMKilled"
MORE_MEMORY = "raise training.resources.limits.memory"
GONE_SECONDS = 10.0
"""A Job that was started may be missing in the cache for so long."""

Result = PrepareResult | TrainResult | EvaluateResult


@dataclass(frozen=True)
class StageRun:
    """One attempt of a stage of a version."""

    version: str
    stage: Stage
    attempt: int
    key: str = ""
    stable: str = ""

    def start(self) -> StartJob:
        """The act that starts it."""
        return StartJob(self.version, self.stage, self.attempt, self.key, stable=self.stable)

    def report(self) -> StartJob:
        """The act that reads its result from the store."""
        return StartJob(self.version, "report", self.attempt, self.key, reports_stage=self.stage)


def attempt_of(version: VersionView, stage: Stage) -> int:
    """The current attempt, 1 at first."""
    return max(1, version.status.attempts.get(stage, 1))


def find_job(scene: Scene, act: StartJob) -> JobView | None:
    """The Job of an act, by its name."""
    name = naming.job_name(act.version, act)
    return next((job for job in scene.jobs(act.version) if job.name == name), None)


def run_stage(scene: Scene, version: VersionView, run: StageRun) -> Step | Result:
    """The stage's result, or the step while there is none."""
    job = find_job(scene, run.start())
    if job is None:
        if scene.suspended:
            return no_job(scene, version)
        return Step((run.start(),), GONE_SECONDS)
    if job.complete:
        return _read(scene, version, run, job)
    if job.failed:
        return _fail(scene, version, run, job)
    return _watch(scene, version, job)


def no_job(scene: Scene, version: VersionView) -> Step:
    """Suspended: say why no Job is started."""
    readable = scene.suspended == reasons.SUSPENDED
    words = "while spec.suspend is true" if readable else "before the spec is valid again"
    return wait(scene, version, scene.suspended, f"no Job is started {words}", 60.0)


def _read(scene: Scene, version: VersionView, run: StageRun, job: JobView) -> Step | Result:
    if (found := _usable(job, run.stage)) is not None:
        return found
    report = find_job(scene, run.report())
    if report is None:
        return Step((run.report(),), GONE_SECONDS)
    if (found := _usable(report, run.stage)) is not None:
        return found
    if report.complete or report.failed:
        message = f"Job {job.name} completed without a readable report{_said(report)}"
        return end_stage(scene, version, "Failed", reasons.REPORT_UNREADABLE, message)
    return _watch(scene, version, report)


def _usable(job: JobView, stage: Stage) -> Result | None:
    if job.complete and job.result is not None and job.result.kind == stage and not job.result.error:
        return job.result
    return None


def _fail(scene: Scene, version: VersionView, run: StageRun, job: JobView) -> Step:
    code = job.exit_code
    if code == ExitCode.OUT_OF_MEMORY:
        # a full disk has this code too: the trainer's line tells which
        message = _error(job) or f"it does not fit memory; {MORE_MEMORY}, then create a Retry action"
        return end_stage(scene, version, "Failed", reasons.OUT_OF_MEMORY, message)
    if code == ExitCode.DIVERGED:
        return end_stage(scene, version, "Failed", reasons.DIVERGED, f"training diverged{_said(job)}")
    if code is not None and code in USER_ERRORS:
        phase: Phase = "Invalid" if run.stage == "prepare" else "Failed"
        reason = reasons.INVALID_DATA if run.stage == "prepare" else reasons.JOB_FAILED
        return end_stage(scene, version, phase, reason, _error(job) or f"{run.stage} ended with exit code {code}")
    if job.failed_reason == "DeadlineExceeded":
        message = f"Job {job.name} ran past training.deadlineSeconds; raise it, then create a Retry action"
        return end_stage(scene, version, "Failed", reasons.DEADLINE, message)
    if job.terminated_reason == OOM_KILLED:
        return _out_of_memory(scene, version, run, job)
    if code == KILLED:
        return _again(scene, version, run, f"attempt {run.attempt} was killed (137)", job)
    reason = job.failed_reason or reasons.JOB_FAILED
    return end_stage(scene, version, "Failed", reason, f"Job {job.name} failed{_code(job)}{_said(job)}")


def _out_of_memory(scene: Scene, version: VersionView, run: StageRun, job: JobView) -> Step:
    mark = f"{run.stage}-oom"
    if version.status.attempts.get(mark, 0) >= 1:
        message = f"{run.stage} was OOMKilled twice; {MORE_MEMORY}, then create a Retry action"
        return end_stage(scene, version, "Failed", reasons.OUT_OF_MEMORY, message)
    attempts = {**version.status.attempts, run.stage: run.attempt + 1, mark: 1}
    message = f"attempt {run.attempt} of {run.stage} was OOMKilled; one more attempt"
    again = record(version, attempts=attempts, reason=reasons.RETRYING, message=message)
    return Step((again, StageRun(run.version, run.stage, run.attempt + 1, run.key, run.stable).start()), GONE_SECONDS)


def _again(scene: Scene, version: VersionView, run: StageRun, message: str, job: JobView) -> Step:
    limit = scene.spec.training.backoff_limit if scene.spec is not None else 0
    if run.attempt > limit:
        return end_stage(scene, version, "Failed", reasons.BACKOFF, f"{message}; backoffLimit {limit} is used up")
    attempts = {**version.status.attempts, run.stage: run.attempt + 1}
    again = record(version, attempts=attempts, reason=reasons.RETRYING, message=message)
    return Step((again, StageRun(run.version, run.stage, run.attempt + 1, run.key, run.stable).start()), GONE_SECONDS)


def _watch(scene: Scene, version: VersionView, job: JobView) -> Step:
    """Running: the Job's own deadline ends this wait. A suspended one has none: that is for Kueue, or a person, to end."""
    limit = scene.spec.training.deadline_seconds if scene.spec is not None else 7200
    after = max(5.0, job.created_at + limit - scene.now)
    if job.suspended:
        return wait(scene, version, reasons.QUEUED, f"Job {job.name} is suspended: {_whom_for(scene)}", after)
    if job.unschedulable:
        return wait(scene, version, reasons.UNSCHEDULABLE, job.unschedulable, after)
    if job.waiting:
        return wait(scene, version, reasons.WAITING, job.waiting, after)
    if version.status.reason in (*reasons.OF_JOBS, reasons.SUSPENDED, reasons.INVALID_SPEC):
        return wait(scene, version, version.status.phase, f"Job {job.name} is running", after)
    return Step((), after)


def _whom_for(scene: Scene) -> str:
    queue = scene.spec.training.queue_name if scene.spec is not None else None
    if queue:
        return (
            f"it starts when Kueue admits it to queue {queue}, with no limit; kubectl get workloads shows why it waits"
        )
    return "somebody suspended it; it starts when the Job's spec.suspend is false again"


def end_stage(scene: Scene, version: VersionView, phase: Phase, reason: str, message: str) -> Step:
    """The version ends here."""
    return Step((move(scene, version, phase, reason, message), announce(version, reason, message, warning=True)), 0.0)


def _error(job: JobView) -> str:
    return job.result.error if job.result is not None else ""


def _said(job: JobView) -> str:
    words = _error(job) or job.terminated_reason
    return f": {words}" if words else ""


def _code(job: JobView) -> str:
    return f" with exit code {job.exit_code}" if job.exit_code is not None else ""
