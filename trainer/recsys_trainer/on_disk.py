"""Tensors that take disk instead of memory: the kernel writes them out as it needs room."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_trainer.data.budget import array_on_disk

WHAT = "the split tables' whole copies; give it four times the tables' size"


def tensor_on_disk(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor with any content in a file without a name below $TMPDIR, which goes when the tensor goes.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    found = array_on_disk(math.prod(shape), torch.empty(0, dtype=dtype).numpy().dtype, WHAT)
    return torch.from_numpy(found).view(tuple(shape))
