"""torch.compile of a network's steps: what asks the network between epochs goes by the code as it is, in any shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from recsys_trainer.errors import ManifestError, one_line

COMPILED: dict[str, Any] = {"dynamic": False}
"""Options of torch.compile: an epoch has two shapes, of a whole batch and of its last, and each gets a program of its own."""
_LONGEST = 300


@contextmanager
def compiling() -> Iterator[None]:
    """Around steps of a compiled network.

    Raises:
        ManifestError: it cannot be compiled, mostly for want of a compiler.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        raise ManifestError(
            f"spec.training.compile: torch could not compile the network ({one_line(str(error), _LONGEST)}); put Triton and a C "
            "compiler (gcc, python3-dev) into the trainer's image, or remove compile"
        ) from error


@contextmanager
def as_written() -> Iterator[None]:
    """Nothing that is called meanwhile is compiled or runs compiled."""
    with torch.compiler.set_stance("force_eager"):
        yield
