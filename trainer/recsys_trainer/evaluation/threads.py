"""Independent pieces of work on a CPU: each thread takes whole ones, instead of all threads sharing every operation."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_threads(work: Callable[[Piece], Result], pieces: Iterable[Piece], device: str) -> list[Result]:
    """What the work gives for each piece, in their order; of several errors the first piece's is raised.

    Operations that are shared wait for each other and for sleeping threads: on slices that stay in a cache that costs more than
    they do. On a device other than a CPU the pieces run one after the other; a single piece has all threads.
    """
    threads, pieces = torch.get_num_threads(), list(pieces)
    if device != "cpu" or threads == 1 or len(pieces) == 1:
        return [work(piece) for piece in pieces]
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        return list(pool.map(work, pieces))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # a part of the setting is the process's and not the thread's
