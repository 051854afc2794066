"""Tables that TorchRec splits over the processes by rows and FBGEMM trains, with its fused row-wise Adagrad.

The one module that imports TorchRec, and itself imported only where a manifest asks for it. On a CPU: that is what
fbgemm-gpu-cpu has kernels for.
"""

import logging
from typing import Any

import torch
import torch.distributed as dist
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_training import WeightDecayMode
from torch import Tensor
from torchrec import EmbeddingCollection, EmbeddingConfig, KeyedJaggedTensor
from torchrec.distributed.comm_ops import set_gradient_division
from torchrec.distributed.embedding import EmbeddingCollectionSharder
from torchrec.distributed.sharding_plan import construct_module_sharding_plan, row_wise
from torchrec.distributed.types import ShardingEnv

from recsys_trainer.fitting.row_wise import EPSILON

NAME = "rows"
"""Of the table, and of the feature that reads it: each table is a collection of its own."""
CPU = torch.device("cpu")

logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)  # warns of what TorchRec asks it


class TorchRecTable:
    """A `SplitTable`: blocks of equal size by rank, the last one smaller."""

    def __init__(self, rows: int, width: int, decay: float) -> None:
        set_gradient_division(False)  # ours are of sums, and divided already
        self.rows = rows
        self._module = sharded(rows, width, decay)
        self.begin, self.values_RD = _local(self._module.state_dict()[f"embeddings.{NAME}.weight"], width)
        state = self._module.fused_optimizer.state_dict()["state"]
        (sums,) = state[f"embeddings.{NAME}.weight"].values()
        _, self.sums_R = _local(sums)

    def lookup(self, row_U: Tensor) -> Tensor:
        """Rows [U, D] of whichever process; their backward makes the step where they lie."""
        lengths = torch.ones(len(row_U), dtype=torch.int32)
        asked = KeyedJaggedTensor.from_lengths_sync(keys=[NAME], values=row_U, lengths=lengths)
        found: Tensor = self._module(asked).wait()[NAME].values()
        return found

    def set_rate(self, rate: float) -> None:
        """The step size from now on."""
        optimizer = self._module.fused_optimizer
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()  # only tells the kernels the rate: steps are made in the backward


def sharded(rows: int, width: int, decay: float) -> Any:
    """The collection of one table whose rows are split over all processes."""
    config = EmbeddingConfig(name=NAME, embedding_dim=width, num_embeddings=rows, feature_names=[NAME])
    whole = EmbeddingCollection(tables=[config], device=torch.device("meta"))
    adagrad: dict[str, Any] = {"optimizer": EmbOptimType.EXACT_ROWWISE_ADAGRAD, "eps": EPSILON}
    if decay:
        adagrad |= {"weight_decay": decay, "weight_decay_mode": WeightDecayMode.L2}
    sharder = EmbeddingCollectionSharder(fused_params=adagrad)
    world = dist.get_world_size()
    by_rows = {NAME: row_wise(compute_kernel="fused")}
    plan = construct_module_sharding_plan(whole, by_rows, sharder, world, world, device_type="cpu")
    assert dist.group.WORLD is not None, "split tables are for several processes"
    return sharder.shard(whole, plan, ShardingEnv.from_process_group(dist.group.WORLD), CPU)


def _local(tensor: Any, *width: int) -> tuple[int, Tensor]:
    """(first row, values) of the part that lies here: the memory itself."""
    parts = tensor.local_shards()
    if not parts:
        return 0, torch.empty(0, *width)
    return int(parts[0].metadata.shard_offsets[0]), parts[0].tensor
