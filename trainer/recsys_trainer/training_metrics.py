"""/metrics of a training while it runs, for Prometheus (docs/contracts.md section 7)."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recsys_api.telemetry import METRICS_PORT_VARIABLE
from recsys_trainer.crowding import Waits
from recsys_trainer.metrics_server import MetricsServer
from recsys_trainer.progress import EpochProgress, Progress, WithinEpochs, within

LOOPBACK = "127.0.0.1"
"""A pod is scraped from outside, everywhere; on a person's machine nobody else is asked in."""
HIGHEST_PORT = 65535


class TrainingMetrics(Collector, WithinEpochs):
    """A progress that keeps what it was last told for whoever asks, and passes it on.

    Figures are made when they are asked for; what is not known yet is no series, and no 0.
    """

    def __init__(self, shown: Progress, waits: Waits | None = None) -> None:
        self._shown, self._samples, self._done = shown, 0, 0.0
        self._last: EpochProgress | None = None
        self._waits, self._waited, self._looking = waits or Waits(), 0.0, threading.Lock()

    def __call__(self, epoch: EpochProgress) -> None:
        """An epoch has ended."""
        self._samples += round(epoch.samples_per_second * epoch.seconds)
        self._last, self._done = epoch, 0.0
        self._shown(epoch)

    def within(self, epoch: int, epochs: int, done: float) -> None:
        """`done` of an epoch's steps, 0 to 1, are over."""
        self._done = done
        within(self._shown, epoch, epochs, done)

    def collect(self) -> Iterator[Metric]:
        """What is known."""
        yield CounterMetricFamily("recsys_training_samples", "Scores that ended epochs looked at", value=self._samples)
        done = "Share of the running epoch's steps that are over"
        yield GaugeMetricFamily("recsys_training_epoch_progress_ratio", done, value=self._done)
        if self._waits.told:
            text = "Seconds for which threads could have run and had no CPU, summed over threads"
            yield CounterMetricFamily("recsys_training_cpu_wait_seconds", text, value=self._waited_so_far())
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            text = "Bytes that tensors hold on the GPU"
            yield GaugeMetricFamily("recsys_training_device_memory_bytes", text, value=torch.cuda.memory_allocated())
        if self._last is not None:
            yield from _of_epoch(self._last)

    def _waited_so_far(self) -> float:
        with self._looking:  # each scrape has a thread of its own: two must not look from the same look on
            self._waited += self._waits.seconds()
            return self._waited


def _of_epoch(epoch: EpochProgress) -> Iterator[Metric]:
    figures: dict[str, tuple[str, float | None]] = {
        "epoch": ("The last epoch that ended, from 1; a second fit begins anew", epoch.epoch),
        "epochs": ("Most epochs that this fit takes", epoch.epochs),
        "epoch_seconds": ("Seconds of that epoch, validation included", epoch.seconds),
        "samples_per_second": ("Scores that it looked at each second", epoch.samples_per_second),
        "loss": ("Its mean loss", epoch.loss),
        "validation_ndcg": ("NDCG@10 on the validation part after it", epoch.ndcg),
        "validation_rmse": ("RMSE on the validation part after it", epoch.rmse),
    }
    for name, (text, value) in figures.items():
        if value is not None:
            yield GaugeMetricFamily(f"recsys_training_{name}", text, value=value)


@contextmanager
def published(shown: Progress, port: int, address: str, tell: Callable[[str], None]) -> Iterator[Progress]:
    """Inside, /metrics is answered at a port, and what the progress is told goes to `shown` too.

    Args:
        port: 0 for none.
        tell: hears why there is none where the port cannot be had; a training goes on without.
    """
    if not port:
        yield shown
        return
    metrics, registry = TrainingMetrics(shown), CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    try:
        server = MetricsServer(address, port, registry)
    except OSError as error:
        tell(f"no metrics: port {port} cannot be had ({error.strerror}); choose a free one")
        yield shown
        return
    try:
        yield metrics
    finally:
        server.close()


def parsed_port(text: str) -> int | None:
    """A port's number, 0 for none; None where the text is no port."""
    return int(text) if text.isdecimal() and int(text) <= HIGHEST_PORT else None


def port_of_pod(tell: Callable[[str], None], environment: Mapping[str, str] = os.environ) -> int:
    """The port that the operator gave the training pod for its metrics; 0 for none."""
    text = environment.get(METRICS_PORT_VARIABLE, "0")
    if (port := parsed_port(text)) is not None:
        return port
    tell(f"no metrics: {METRICS_PORT_VARIABLE}={text} is no port; set a number up to {HIGHEST_PORT}, 0 for none")
    return 0
