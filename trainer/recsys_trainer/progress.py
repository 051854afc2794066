"""Progress for people on a terminal, for machines elsewhere."""

import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TextIO

import torch

CELLS = 30
ROUNDED = 100_000
"""Samples a second of which a person sees thousands."""
COLUMNS = 80
"""Of a terminal that does not say, and of a table for none."""
CLEAR = "\r\x1b[K"
"""To the beginning of the line, and away with what stands there."""


def over(stream: TextIO) -> str:
    """What goes before a line on `stream`, where a bar may stand: nothing but on a terminal."""
    return CLEAR if stream.isatty() else ""


def _columns(stream: TextIO) -> int:
    """How wide the terminal is now."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    except OSError:
        return COLUMNS


@dataclass(frozen=True)
class EpochProgress:
    """What one epoch did."""

    epoch: int
    epochs: int
    loss: float
    ndcg: float | None
    """Validation NDCG@10; None where nobody can be validated on, or in a refit."""
    samples_per_second: float
    seconds: float
    best: bool
    rmse: float | None = None
    """Validation RMSE, for families of ratings."""


Progress = Callable[[EpochProgress], None]


def silent(epoch: EpochProgress) -> None:
    """No progress."""


def ignore(note: str) -> None:
    """No notes."""


def notes(stream: TextIO | None = None) -> Callable[[str], None]:
    """What happens beside the epochs, a line each, on `stream` (standard error): as it is on a terminal, JSON elsewhere."""
    to = stream or sys.stderr
    return lambda note: print(over(to) + note if to.isatty() else json.dumps({"note": note}), file=to, flush=True)


def lines(stream: TextIO | None = None) -> Progress:
    """A line for each epoch on `stream` (standard error): JSON, or on a terminal prose, and a bar within the epoch."""
    to = stream or sys.stderr
    if to.isatty():
        return Bar(to)
    return lambda epoch: print(_json(epoch), file=to, flush=True)


class WithinEpochs(ABC):
    """A progress that also hears how much of an epoch is over, after every step."""

    @abstractmethod
    def __call__(self, epoch: EpochProgress) -> None:
        """An epoch has ended."""

    @abstractmethod
    def within(self, epoch: int, epochs: int, done: float) -> None:
        """`done` of an epoch's steps, 0 to 1, are over."""


class Bar(WithinEpochs):
    """A terminal's progress: the epoch that runs as a bar in the last line, those before as lines above it."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._next = stream, clock, 0.0

    def __call__(self, epoch: EpochProgress) -> None:
        """An epoch has ended."""
        print(f"{CLEAR}{_prose(epoch)}", file=self._stream, flush=True)

    def within(self, epoch: int, epochs: int, done: float) -> None:
        """`done` of an epoch's steps, 0 to 1, are over. Drawn ten times a second at most."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + 0.1
        head, tail = f"epoch {epoch:>3}/{epochs}  [", f"] {done:4.0%}"
        room = _columns(self._stream) - len(head) - len(tail) - 1  # a line that wraps could not be drawn over
        count = max(0, min(CELLS, room))
        full = int(done * count)
        self._stream.write(f"{CLEAR}{head}{'#' * full}{'-' * (count - full)}{tail}")
        self._stream.flush()


def within(progress: Progress, epoch: int, epochs: int, done: float) -> None:
    """Tell a progress that hears it how much of an epoch's steps is over."""
    if isinstance(progress, WithinEpochs):
        progress.within(epoch, epochs, done)


def peak_memory() -> dict[str, int]:
    """The most bytes that this process has held so far: `memoryBytes`, and on a GPU `deviceMemoryBytes`."""
    found = {"memoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found["deviceMemoryBytes"] = torch.cuda.max_memory_allocated()
    return found


def _prose(epoch: EpochProgress) -> str:
    """In 80 columns; what is measured is the validation part."""
    validation = "NDCG@10 -" if epoch.ndcg is None else f"NDCG@10 {epoch.ndcg:.4f}"
    validation = validation if epoch.rmse is None else f"RMSE {epoch.rmse:.4f}"
    best = epoch.best and not (epoch.ndcg is None and epoch.rmse is None)  # of a refit each would be the best
    samples = epoch.samples_per_second
    rate = f"{samples:,.0f}" if samples < ROUNDED else f"{samples / 1000:,.0f}k"
    return (
        f"epoch {epoch.epoch:>3}/{epoch.epochs}  loss {epoch.loss:.4f}  {validation}"
        f"{' *' if best else '  '}  {rate} samples/s  {epoch.seconds:.1f} s  "
        f"{_amount(max(peak_memory().values()))}"
    )


def _amount(size: int) -> str:
    """Bytes for a person."""
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:,.1f} GiB"


def _json(epoch: EpochProgress) -> str:
    names = {"ndcg": "ndcg@10", "samples_per_second": "samplesPerSecond"}
    told = {names.get(name, name): value for name, value in asdict(epoch).items()}
    return json.dumps({**told, **peak_memory()})
