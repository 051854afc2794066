"""Steps of NeuMF as NVIDIA's example sets it (DeepLearningExamples, NCF), everything on the device: order, negatives, steps.

The peer is a limit, of the bytes that a step cannot avoid and of the speed of a copy in the same run:
- Adam reads weight, gradient and two moments of every parameter and writes three of them; the gradient is zeroed before: 32 bytes;
- a pair's rows of the item tables are read, and their gradients are read, added to and written: 16 bytes for each value; a
  user's rows the same, once for all of its pairs.
Activations are not in it: a perfect kernel would not write them.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks.gpu.settings import Loss, Model, Positives, Training
from recsys_trainer.fitting.losses import build_loss
from recsys_trainer.fitting.pairs import TrainingPairs
from recsys_trainer.fitting.steps import fit_in_steps
from recsys_trainer.fitting.task import Fitted, Speed, Task
from recsys_trainer.models.hidden import mlp_embedding_width
from recsys_trainer.models.neumf import NeuMF
from recsys_trainer.negatives import NegativeSampler, gaps_of

Row = dict[str, Any]
AT_LEAST = 34e6
"""NVIDIA's own figure is what this row is held against; 100 M is the aim."""
COPIED_BYTES = {"cpu": 2**26, "cuda": 2**31}
"""Beyond what a cache holds."""
ROUNDS = 7


@dataclass(frozen=True)
class Options:
    """The default is the shape of ML-20M."""

    users: int = 138_493
    items: int = 26_744
    interactions: int = 20_000_263
    batch: int = 2**20
    """Samples of a step: positives with their negatives."""
    negatives: int = 4
    model: Model = field(default_factory=Model)
    epochs: int = 3
    """Measured; one more comes before."""
    speed: Speed = field(default_factory=Speed)


def synthetic(options: Options, device: str, seed: int = 0) -> Positives:
    """Distinct interactions: users are log-normally active, items as popular as 1/rank says. The same on each kind of device."""
    generator = torch.Generator(device=device).manual_seed(seed)
    activity = torch.randn(options.users, generator=generator, device=device).exp_()
    cumulative = activity.double().cumsum(0)
    keys, wanted = torch.zeros(0, dtype=torch.int64, device=device), options.interactions
    while len(keys) < wanted:
        chance = torch.rand(wanted, generator=generator, device=device, dtype=torch.float64) * cumulative[-1]
        user = torch.searchsorted(cumulative, chance).clamp_(max=options.users - 1)
        spread = torch.rand(wanted, generator=generator, device=device, dtype=torch.float64)
        item = (float(options.items) ** spread).long().sub_(1).clamp_(max=options.items - 1) * 7_368_787 % options.items
        keys = torch.unique(torch.cat((keys, user * options.items + item)))
    kept = torch.randperm(len(keys), generator=generator, device=device)[:wanted]
    keys = keys[kept].sort().values
    degree = torch.bincount(keys // options.items, minlength=options.users)
    indptr = torch.cat((torch.zeros(1, dtype=torch.int64, device=device), degree.cumsum(0)))
    return Positives(indptr, (keys % options.items).int(), options.items)


def fitted(options: Options, positives: Positives, device: str) -> tuple[Fitted, NeuMF]:
    """One epoch to compile and three to measure."""
    training = Training(1 + options.epochs, options.batch, loss=Loss(negatives=options.negatives))
    torch.manual_seed(training.seed)
    network = NeuMF(options.users, options.items, options.model).to(device)
    # what the manifest's types have beyond these, fitting in steps does not read
    task = Task(cast(Any, options.model), cast(Any, training), cast(Any, positives), None, device, speed=options.speed)
    return fit_in_steps(task, network, build_loss(task)), network


def rows(options: Options, device: str) -> list[Row]:
    """The rate beside the limit, and what parts of it cost."""
    positives = synthetic(options, device)
    result, network = fitted(options, positives, device)
    measured = result.history[1:]
    seconds = sum(epoch["seconds"] for epoch in measured)
    samples = sum(epoch["seconds"] * epoch["samplesPerSecond"] for epoch in measured)
    bandwidth = copied_bytes_per_second(COPIED_BYTES[device], device)
    limit = options.batch / (step_bytes(options, network) / bandwidth)
    widths = f"{options.model.embedding_dim} + {mlp_embedding_width(options.model)}"
    name = f"NeuMF {widths}, {options.users:,} x {options.items:,}, batch {options.batch:,}"
    gpu = device == "cuda"
    whole = _row(f"{name}: samples/s", samples / seconds, "samples/s", limit, AT_LEAST if gpu else None)
    return [
        whole,
        _row(f"{name}: share of what copying allows", samples / seconds / limit, "1"),
        _row(f"{name}: first epoch, with what compiling takes", result.history[0]["seconds"], "s"),
        _row(f"{name}: loss after {result.epochs} epochs", measured[-1]["loss"], "nats"),
        _row("copy of a tensor, read and written", bandwidth / 1e9, "GB/s"),
        *negatives_rows(options, positives, device),
    ]


def negatives_rows(options: Options, positives: Positives, device: str) -> list[Row]:
    """Drawing a step's negatives in both ways to search for them, the order of an epoch, and whether a positive came out."""
    pairs = TrainingPairs.of(cast(Any, positives), device)
    batch = min(options.batch // (1 + options.negatives), len(pairs))
    order = pairs.order(0, 1)
    user_B, _, _ = pairs.take(order[:batch])
    own = NegativeSampler.of(positives.indptr, positives.indices, positives.items, device)
    all_gaps = gaps_of(positives.indptr, positives.indices, positives.items)
    found, generator = [], torch.Generator(device=device)
    for what, gaps in (("searching the user's items", None), ("one search for all", all_gaps)):
        sampler = replace(own, gaps=gaps, touched=None)
        milliseconds = 1e3 * median_seconds(
            lambda each=sampler: each.draw(user_B, options.negatives, generator), device
        )
        found.append(_row(f"negatives of a step, {what}", milliseconds, "ms"))
    drawn = own.draw(user_B, options.negatives, generator)
    wrong = int(contained(positives, user_B, drawn).sum())
    found.append(_row(f"of {drawn.numel():,} negatives are positives", wrong, "pairs") | {"ok": wrong == 0})
    found.append(_row("order of an epoch", 1e3 * median_seconds(lambda: pairs.order(0, 2), device), "ms"))
    return found


def contained(positives: Positives, user_B: Tensor, item_BC: Tensor) -> Tensor:
    """Which (user, item) are interactions, by search among sorted keys; bool [B, C]."""
    user_P = torch.repeat_interleave(positives.indptr.diff())
    keys_P = user_P * positives.items + positives.indices
    asked_BC = user_B.unsqueeze(1) * positives.items + item_BC
    place_BC = torch.searchsorted(keys_P, asked_BC).clamp_(max=len(keys_P) - 1)
    return keys_P[place_BC] == asked_BC


def step_bytes(options: Options, network: nn.Module) -> float:
    """What a step cannot avoid to move."""
    values = sum(each.numel() for each in network.parameters())
    row = options.model.embedding_dim + mlp_embedding_width(options.model)
    return 32 * values + 16 * row * options.batch * (1 + 1 / (1 + options.negatives))


def copied_bytes_per_second(size: int, device: str) -> float:
    """Bytes read and bytes written."""
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    return 2 * size / median_seconds(lambda: target.copy_(source), device)


def median_seconds(act: Any, device: str) -> float:
    """Of a few calls, after one to warm up."""
    taken = []
    for _ in range(1 + ROUNDS):
        _finish(device)
        began = time.perf_counter()
        act()
        _finish(device)
        taken.append(time.perf_counter() - began)
    return sorted(taken[1:])[ROUNDS // 2]


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _row(name: str, value: float, unit: str, limit: float | None = None, at_least: float | None = None) -> Row:
    return {
        "name": name, "value": value, "unit": unit, "peer": None if limit is None else "the bytes of a step at the speed of a copy",
        "peerValue": limit, "ratio": None if limit is None else limit / value, "atLeast": at_least,
        "ok": at_least is None or value >= at_least,
    }  # fmt: skip
