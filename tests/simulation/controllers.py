"""What goes by itself in a cluster in memory: Jobs finish, pods become ready, users are answered and counted."""

from dataclasses import replace

from tests.simulation.meters import Served
from tests.simulation.state import KEPT_SECONDS, Quality, State

from recsys_api.run_spec import EvaluateResult, GateResult, PrepareResult, TrainResult
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import (
    JobView,
    PodView,
)


class Controllers(State):
    """A second after the other."""

    def tick(self) -> None:
        """One second."""
        self.history.append(self.snapshot())
        self.now += 1.0
        self._run_pods()
        self._run_jobs()
        for version in dict.fromkeys((*self.serving, *self.sampled)):
            self.meters.serve(version, self._pods_of(version), int(self.now), self._served(version))
        if self.sampled:
            self.seconds.extend(self._sample())
        while self.seconds and self.seconds[0].at < self.clock - KEPT_SECONDS:
            self.seconds.popleft()

    def watch(self, versions: tuple[str, ...]) -> None:
        """What the sampler does from now on."""
        if versions and not self.sampled:
            self.samples_since = self.clock
        if not versions:
            self.samples_since = None
            self.seconds.clear()
            self.meters.forget()
        self.sampled = versions

    def quality(self, version: str) -> Quality:
        """Of a version."""
        return self.qualities.setdefault(version, Quality())

    def _run_pods(self) -> None:
        for version, view in self.serving.items():
            own = [pod for pod in self.pods.values() if pod.version == version]
            for pod in own[view.replicas :]:
                del self.pods[pod.name]
            for _ in range(view.replicas - len(own)):
                uid = self._uid("pod")
                self.pods[uid] = PodView(uid, uid, version, False, 0, self.now)
        for name, pod in list(self.pods.items()):
            quality = self.quality(pod.version)
            if pod.version not in self.serving:
                del self.pods[name]
            elif pod.ready and quality.crashes and self.random.random() < quality.crashes:
                self.pods[name] = replace(pod, restarts=pod.restarts + 1, last_terminated="triton: OOMKilled (137)")
            elif not pod.ready and not quality.never_ready and self.now - pod.created_at >= 2:
                self.pods[name] = replace(pod, ready=True)

    def _run_jobs(self) -> None:
        for name, job in list(self.jobs.items()):
            if job.active and self.now - job.created_at >= 3:
                done = self._finished(job, self.quality(job.version))
                self.jobs[name] = replace(done, active=0, resource_version=self._rv())

    def _finished(self, job: JobView, quality: Quality) -> JobView:
        if job.stage == "train" and quality.failure:
            return self._failed(job, quality.failure)
        if job.stage == "evaluate" and self.lost_data:
            return self._failed(job, "data")
        if job.stage == "prepare" and quality.failure == "data":
            return self._failed(job, "data")
        if job.stage == "report":
            stage = "prepare" if "prepare" in job.name else "train" if "train" in job.name else "evaluate"
            return replace(job, complete=True, result=self._result(job, stage, quality))
        if quality.failure == "silent":
            return replace(job, complete=True)
        return replace(job, complete=True, result=self._result(job, job.stage, quality))

    def _failed(self, job: JobView, failure: str) -> JobView:
        first = job.attempt == 1
        if failure == "silent":
            return replace(job, complete=True)
        if failure in ("oom", "killed") and not first and self.random.random() < 0.5:
            return replace(job, complete=True, result=self._result(job, "train", Quality()))
        codes = {"oom": 137, "killed": 137, "diverged": 70, "data": 65, "deadline": None}
        return replace(
            job, failed=True, exit_code=codes[failure], terminated_reason="OOMKilled" if failure == "oom" else "Error",
            failed_reason="DeadlineExceeded" if failure == "deadline" else "PodFailurePolicy",
        )  # fmt: skip

    def _result(self, job: JobView, stage: str, quality: Quality) -> PrepareResult | TrainResult | EvaluateResult:
        if stage == "prepare":
            return PrepareResult(digest=f"sha256:data-{int(self.now) // 50}", rows=1000, users=10, items=10)
        if stage == "train":
            return TrainResult(digest=f"sha256:{job.version}", seconds=3, device="cpu", epochs=2)
        gate = GateResult(name="absolute", outcome=quality.gate, message="of the simulation")  # type: ignore[arg-type]
        return EvaluateResult(gates=(gate,))

    def _sample(self) -> list[VersionSecond]:
        pods = {version: self._pods_of(version) for version in self.sampled}
        lost = {version: self.unread.pop(version, 0.0) for version in self.sampled}
        return self.meters.read(
            self.clock, pods, blind=self.blind, outage=self.outage, gateway=self.gateway, generation=self.generation, lost=lost
        )  # fmt: skip

    def _served(self, version: str) -> Served:
        ready, quality = self.ready(version), self.quality(version)
        n = self._draw(self.rate * self.weight(version) / 100)
        good = n if ready else 0
        return Served(
            requests=n, answers=good, bad=n if not ready else self._count(n, quality.bad),
            slow=self._count(good, quality.slow), fallbacks=self._count(good, quality.fallback),
            unknown=self._count(good, 0.05),
        )  # fmt: skip

    def _pods_of(self, version: str) -> list[PodView]:
        return [pod for pod in self.pods.values() if pod.version == version]

    def _draw(self, mean: float) -> int:
        return int(mean) + (self.random.random() < mean - int(mean))

    def _count(self, n: int, rate: float) -> int:
        return sum(self.random.random() < rate for _ in range(n)) if rate else 0
