"""Training in several processes (docs/adr/0009): who they are, how they find each other, and what they tell each other.

Every process takes its share of each batch, gradients are summed, and all make the same step. The first one (rank 0) validates,
writes and reports. torchrun says who a process is (RANK, WORLD_SIZE, LOCAL_RANK), or an Indexed Job does (JOB_COMPLETION_INDEX,
RECSYS_NODES); both set MASTER_ADDR and MASTER_PORT. Numbers that a step must agree on go over gloo, gradients of a GPU over NCCL.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore, Store

from recsys_trainer.errors import ManifestError, PeerError, UnreadableError, one_line

JOIN_SECONDS = 1800.0
"""For all processes to appear: their pods may wait for nodes, and in `fit` the first one prepares the data meanwhile."""
SILENCE_SECONDS = 1800.0
"""Longest wait for the others in a step: the first one may be saving or validating. One that has died is noticed at once."""
SMALL = 2**20
"""Values of a tensor that is summed together with others; larger ones are summed where they lie."""
PIECE = 2**22
"""Values that are sent at once where a table is collected."""
COMPLETE = "complete"
"""Key of a meeting point that all have reached: who finds it has come too late, in a second life."""


@dataclass(frozen=True)
class Place:
    """Which process of how many."""

    rank: int = 0
    world: int = 1
    local: int = 0
    """Its number on this machine, and that of its GPU."""


def place_of_process(environment: Mapping[str, str] = os.environ) -> Place:
    """As torchrun or the Job says.

    Raises:
        ManifestError: what it says cannot be.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "WORLD_SIZE" not in environment:
        names = ("JOB_COMPLETION_INDEX", "RECSYS_NODES", "LOCAL_RANK")
        if environment.get("RECSYS_NODES", "1") == "1":
            return Place()
    defaults = ("0", "1", "0")
    texts = [environment.get(name, default) for name, default in zip(names, defaults, strict=True)]
    for name, text in zip(names, texts, strict=True):
        if not text.isdecimal():
            raise ManifestError(f"{name}={text}: is no number; start the processes with torchrun")
    place = Place(*(int(text) for text in texts))
    if place.rank >= place.world:
        raise ManifestError(f"{names[0]}={place.rank}: must be below {names[1]}={place.world}")
    return place


class Workers:
    """The processes of a training, seen from one of them. Alone nothing is sent."""

    def __init__(self, place: Place | None = None) -> None:
        here = place or Place()
        self.rank, self.world = here.rank, here.world

    @property
    def alone(self) -> bool:
        """Whether there is one process."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """Whether it is the one that validates and writes."""
        return self.rank == 0

    def share(self, size: int) -> slice:
        """This process's part of a batch; the parts differ by one at most and follow each other by rank."""
        return slice(size * self.rank // self.world, size * (self.rank + 1) // self.world)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes into each tensor: float32, the same shapes everywhere."""
        if self.alone:
            return
        small = [each for each in tensors if each.numel() <= SMALL]
        with _others():
            for each in tensors:
                if each.numel() > SMALL:
                    dist.all_reduce(each)
            flat = torch.cat([each.reshape(-1) for each in small])
            dist.all_reduce(flat)
        for each, part in zip(small, torch.split(flat, [each.numel() for each in small]), strict=True):
            each.copy_(part.view_as(each))

    def gathered(self, row_U: Tensor, values_UD: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and their values of all processes, by rank; how many each has may differ."""
        sizes = self._of_all([len(row_U)])
        if not (most := max(size for (size,) in sizes)):
            return row_U, values_UD
        rows, values = _padded(row_U, most), _padded(values_UD, most)
        all_rows = [torch.empty_like(rows) for _ in sizes]
        all_values = [torch.empty_like(values) for _ in sizes]
        with _others():
            dist.all_gather(all_rows, rows)
            dist.all_gather(all_values, values)
        kept = [(all_rows[rank][:size], all_values[rank][:size]) for rank, (size,) in enumerate(sizes)]
        return torch.cat([each for each, _ in kept]), torch.cat([each for _, each in kept])

    def any(self, here: bool) -> bool:
        """Whether it holds in one of them at least."""
        return here if self.alone else any(each for (each,) in self._of_all([int(here)]))

    def from_first(self, value: Callable[[], float]) -> float:
        """What the first one computes; the others wait for it."""
        if self.alone:
            return value()
        told = torch.tensor([value() if self.first else 0.0], dtype=torch.float64)
        with _others():
            dist.broadcast(told, 0)
        return float(told)

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Put the first one's values into each tensor."""
        if not self.alone:
            with _others():
                for each in tensors:
                    dist.broadcast(each, 0)

    def collect(self, part: Tensor, begin: int, whole: Tensor) -> None:
        """Put the rows that each process has into the first one's tensor, some at a time; in the others that one is not read.

        Args:
            begin: where the part's rows begin in the whole.
        """
        for rank, (start, count) in enumerate(self._of_all([begin, len(part)])):
            for first in range(0, count, rows := max(1, PIECE // max(1, part[:1].numel()))):
                piece = slice(first, min(first + rows, count))
                with _others():
                    if self.rank == rank and not self.first:
                        dist.send(part[piece], 0)
                    elif self.first and rank:
                        dist.recv(whole[start + piece.start : start + piece.stop], rank)
                    elif self.first:
                        whole[piece] = part[piece]

    def refuse_different(self, found: Sequence[int]) -> None:
        """Refuse to go on from different checkpoints.

        Raises:
            UnreadableError: the numbers are not the same in all processes.
        """
        if not self.alone and len(set(self._of_all(found))) > 1:
            raise UnreadableError(
                "the processes of this training do not find the same checkpoint; all must read and write one store: "
                "name it in spec.artifacts.uri, or --output on a shared file system"
            )

    def wait(self) -> None:
        """Until all have come here."""
        if not self.alone:
            self._of_all([0])

    def _of_all(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        here = torch.tensor(numbers, dtype=torch.int64)
        found = [torch.empty_like(here) for _ in range(self.world)]
        with _others():
            dist.all_gather(found, here)
        return [tuple(each.tolist()) for each in found]


ALONE = Workers()


@contextmanager
def joined(place: Place, device: str, seconds: float = JOIN_SECONDS) -> Iterator[Workers]:
    """Inside, all processes are there.

    Raises:
        PeerError: they are not after so long, or one of them is gone.
    """
    if place.world == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    with _others():
        store = _meeting_point(place, seconds)
        silence = timedelta(seconds=SILENCE_SECONDS)
        dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.world, timeout=silence)
    try:
        yield Workers(place)
    finally:
        dist.destroy_process_group()


def _meeting_point(place: Place, seconds: float) -> Store:
    """A store that all processes have reached. The waiting is done here, where SIGTERM is heard."""
    if missing := [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]:
        raise ManifestError(f"{missing[0]}: not set, and there are {place.world} processes; start them with torchrun")
    deadline, life = time.monotonic() + seconds, os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = _reached(place, life, deadline)
    store.set(f"{life}/{place.rank}", "here")
    while not store.check([f"{life}/{rank}" for rank in range(place.world)]):
        _sleep_until(deadline, f"not all of {place.world} processes came")
    store.set(f"{life}/{COMPLETE}", "")
    return PrefixStore(f"{life}/group", store)


def _reached(place: Place, life: str, deadline: float) -> TCPStore:
    host = place.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"  # else torchrun's agent is it
    address, port, why = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), "rank 0 has not noticed it yet"
    while True:
        try:
            store = TCPStore(address, port, place.world, host, timedelta(seconds=5), wait_for_workers=False)
            if not store.check([f"{life}/{COMPLETE}"]):
                return store
            del store  # of a group in which this process has died: a new one comes with a new rank 0
        except RuntimeError as error:
            why = one_line(str(error), 200)
        _sleep_until(deadline, f"{address}:{port} is not there ({why})")


def _sleep_until(deadline: float, why: str) -> None:
    if time.monotonic() > deadline:
        raise PeerError(f"{why}; see whether its pod runs and what its log says")
    time.sleep(0.2)


@contextmanager
def _others() -> Iterator[None]:
    """What torch raises when another process is gone."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise PeerError(
            f"another process of this training is gone ({one_line(str(error), 200)}); see its log; the next attempt "
            "goes on from the last checkpoint"
        ) from error


def _padded(values: Tensor, length: int) -> Tensor:
    result = values.new_zeros(length, *values.shape[1:])
    result[: len(values)] = values
    return result
