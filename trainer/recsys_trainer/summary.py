"""reports/training.json: what the training Job leaves beside the artifact."""

from pydantic import Field

from recsys_api.base import Observed
from recsys_api.run_spec import TrainResult


class TrainingSummary(Observed):
    """How the weights came to be."""

    format: str = "recsys.dev/training/v1"
    digest: str
    """Of the artifact."""
    device: str
    device_name: str
    """Empty where nothing is known of the course: an artifact alone does not say it."""
    threads: int
    torch: str
    epochs: int
    """Epochs that were run before the best was known."""
    best_epoch: int
    refit: str
    seconds: float
    samples: int
    samples_per_second: float
    users: int
    """Trained users."""
    items: int
    parameters: int
    history: list[dict[str, float]] = Field(default_factory=list)
    """Of each of `epochs`: loss, seconds, what validation said."""
    refit_history: list[dict[str, float]] = Field(default_factory=list)
    """Of the epochs of the refit that were run after them on more data."""
    resumes: int = 0
    """How often training went on from a checkpoint."""
    resume_exact: bool = True
    """Whether it gave the bits of an uninterrupted run: device, instruction set, libraries and their settings, precision,
    threads, torch and trainer were the same each time."""
    resume_differences: list[str] = Field(default_factory=list)
    """What was not the same, as in "threads: 1, then 2"."""
    processes: int = 1
    """That trained together."""
    peak_memory_bytes: int = 0
    """The most that the training process has held; on a GPU also `peakDeviceMemoryBytes`."""
    peak_device_memory_bytes: int = 0
    message: str = ""
    defaults: dict[str, object] = Field(default_factory=dict)
    """Of this training, where the manifest leaves a setting to the family, by field; empty in what was written before."""

    def result(self) -> TrainResult:
        """The termination message."""
        return TrainResult(
            digest=self.digest,
            samples_per_second=self.samples_per_second,
            seconds=self.seconds,
            device=self.device,
            epochs=self.epochs,
            message=self.message,
        )

    def for_report(self) -> dict[str, object]:
        """The part that report.json repeats under `training`: what is known."""
        if not self.device_name:
            return {"message": self.message}
        names = (
            "device", "deviceName", "threads", "torch", "epochs", "bestEpoch", "samples", "history",
            "refitHistory", "resumes", "resumeExact", "resumeDifferences", "peakMemoryBytes", "peakDeviceMemoryBytes", "message", "defaults",
        )  # fmt: skip
        whole = self.to_dict()
        return {("epochsRun" if name == "epochs" else name): whole[name] for name in names}
