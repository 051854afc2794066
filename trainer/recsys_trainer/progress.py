"""Progress for people on a terminal, for machines elsewhere."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TextIO


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


Progress = Callable[[EpochProgress], None]


def silent(epoch: EpochProgress) -> None:
    """No progress."""


def ignore(note: str) -> None:
    """No notes."""


def notes(stream: TextIO | None = None) -> Callable[[str], None]:
    """What happens beside the epochs, a line each, on `stream` (standard error): as it is on a terminal, JSON elsewhere."""
    to = stream or sys.stderr
    return lambda note: print(note if to.isatty() else json.dumps({"note": note}), file=to, flush=True)


def lines(stream: TextIO | None = None) -> Progress:
    """A line for each epoch on `stream` (standard error): prose on a terminal, JSON elsewhere."""
    to = stream or sys.stderr
    return lambda epoch: print(_prose(epoch) if to.isatty() else _json(epoch), file=to, flush=True)


def _prose(epoch: EpochProgress) -> str:
    validation = "-" if epoch.ndcg is None else f"{epoch.ndcg:.4f}"
    return (
        f"epoch {epoch.epoch:>3}/{epoch.epochs}  loss {epoch.loss:.4f}  validation NDCG@10 {validation}"
        f"{' *' if epoch.best else '  '}  {epoch.samples_per_second:,.0f} samples/s  {epoch.seconds:.1f} s"
    )


def _json(epoch: EpochProgress) -> str:
    names = {"ndcg": "ndcg@10", "samples_per_second": "samplesPerSecond"}
    return json.dumps({names.get(name, name): value for name, value in asdict(epoch).items()})
