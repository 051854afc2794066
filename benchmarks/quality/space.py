"""A space of settings: what a manifest's model and training have in common, and what is drawn."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Settings = dict[str, Any]
"""{"model": …, "training": …} as a manifest has them."""


@dataclass(frozen=True)
class Logarithmic:
    """Evenly drawn in the logarithm, two digits are kept."""

    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        return float(f"{value:.2g}")


@dataclass(frozen=True)
class OneOf:
    """Evenly drawn."""

    values: tuple[Any, ...]

    def draw(self, random: np.random.Generator) -> Any:
        """One value."""
        return self.values[random.integers(len(self.values))]


Draw = Logarithmic | OneOf


@dataclass(frozen=True)
class Space:
    """Where to look, and for how long."""

    model: Settings
    training: Settings
    drawn: dict[str, Draw]
    """By path in the settings, as in model.leastSquares.unobservedWeight."""
    trials: int = 16
    seconds: float = 1800.0
    rungs: tuple[int, ...] = field(default=(2, 4, 8, 16, 32))
    """Epochs after which a trial ends that is worse than the median of the earlier ones; none: the last epoch alone is judged."""

    def draw(self, random: np.random.Generator) -> Settings:
        """Settings of a trial."""
        settings: Settings = copy.deepcopy({"model": self.model, "training": self.training})
        for path, values in self.drawn.items():
            *parents, last = path.split(".")
            at = settings
            for name in parents:
                at = at.setdefault(name, {})
            at[last] = values.draw(random)
        return settings
