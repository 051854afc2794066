"""Worker, run by implicit's environment: its Bayesian personalized ranking (native code), 63 factors and a bias."""

from typing import Any

from benchmarks.peers.implicit_worker import answer_with
from benchmarks.peers.worker import arguments


def main() -> None:
    """Command line."""
    threads = arguments().threads
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    def build(settings: dict[str, Any], epochs: int) -> Any:
        return BayesianPersonalizedRanking(
            factors=63, iterations=epochs, num_threads=threads, random_state=1, **settings
        )

    answer_with(build)


if __name__ == "__main__":
    main()
