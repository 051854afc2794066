"""Tensors that take disk instead of memory: the kernel writes them out as it needs room."""

import math
import mmap
import os
from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_trainer.data.budget import temporary_file

WHAT = "the split tables' whole copies; give it four times the tables' size"


def tensor_on_disk(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor with any content in a file without a name below $TMPDIR, which goes when the tensor goes.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return torch.empty(tuple(shape), dtype=dtype)
    with temporary_file(WHAT) as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk must be an error here, not a SIGBUS at some later line
        return torch.frombuffer(mmap.mmap(file.fileno(), size), dtype=dtype).view(tuple(shape))
