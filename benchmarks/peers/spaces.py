"""What is searched on each side: equally many draws, 64 factors (implicit's BPR has 63 and a bias), and how long a trial may go on.

The ranges hold what the sides' documentation and papers use. A trial goes on until its NDCG has not risen for `patience` looks; a
look comes every `every` epochs. What is searched is in the unit of each side: implicit's ridge is not scaled by frequency, ours is.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Settings = dict[str, Any]
TRIALS = 40


@dataclass(frozen=True)
class Logarithmic:
    """Evenly drawn in the logarithm, two digits are kept."""

    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        return float(f"{math.exp(random.uniform(math.log(self.low), math.log(self.high))):.2g}")


@dataclass(frozen=True)
class OneOf:
    """Evenly drawn."""

    values: tuple[Any, ...]

    def draw(self, random: np.random.Generator) -> Any:
        """One value."""
        return self.values[int(random.integers(len(self.values)))]


@dataclass(frozen=True)
class Space:
    """One side of a comparison."""

    worker: str
    """Module that fits."""
    drawn: dict[str, Logarithmic | OneOf]
    epochs: int
    every: int = 1
    patience: int = 3

    def draws(self, seed: int = 0) -> list[Settings]:
        """The trials; the same each time, so that a search can go on where it stopped."""
        random = np.random.default_rng(seed)
        return [{name: values.draw(random) for name, values in self.drawn.items()} for _ in range(TRIALS)]


SPACES: dict[str, dict[str, Space]] = {
    "als": {
        "peer": Space("implicit_als", {"regularization": Logarithmic(0.003, 30), "alpha": Logarithmic(0.3, 30)}, 20),
        "ours": Space(
            "ours_factors",
            {"regularization": Logarithmic(0.0005, 0.05), "unobservedWeight": Logarithmic(0.03, 1.0)},
            20,
        ),
    },
    "bpr": {
        "peer": Space(
            "implicit_bpr",
            {"learning_rate": Logarithmic(0.003, 0.03), "regularization": Logarithmic(0.0003, 0.1)},
            200,
            every=5,
            patience=6,  # with small steps it ranks by popularity for some looks before it rises
        ),
        "ours": Space(
            "ours_factors",
            {
                "learningRate": Logarithmic(0.003, 0.02),
                "regularization": Logarithmic(0.0005, 0.02),
                "batchSize": OneOf((8192, 32768)),
                "negatives": OneOf((1, 4)),
            },
            60,
        ),
    },
}
