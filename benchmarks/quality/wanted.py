"""What is wanted of the rows of ML-1M by the sampled protocol."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """HR@10 and NDCG@10."""

    hr: float
    ndcg: float
    off: float | None = None
    """Both must come as near as this; None: they must reach it."""

    def met(self, hr: float, ndcg: float) -> bool:
        """Whether a row is as wanted."""
        if self.off is None:
            return hr >= self.hr and ndcg >= self.ndcg
        return max(abs(hr - self.hr), abs(ndcg - self.ndcg)) <= self.off


WANTED = {
    "popularity": Wanted(0.4538, 0.2545, 0.00005),
    "ml-1m-implicit-als-64": Wanted(0.722, 0.444, 0.004),
    "ml-1m-implicit-als-192": Wanted(0.731, 0.453, 0.004),
    "ml-1m-matrix-factorization": Wanted(0.725, 0.447),
    "ml-1m-neumf": Wanted(0.715, 0.435),
}
