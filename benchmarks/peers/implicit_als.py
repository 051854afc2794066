"""Worker, run by implicit's environment: its alternating least squares (conjugate gradients, native code), 64 factors."""

from typing import Any

from benchmarks.peers.implicit_worker import answer_with
from benchmarks.peers.worker import arguments


def main() -> None:
    """Command line."""
    threads = arguments().threads
    from implicit.cpu.als import AlternatingLeastSquares

    def build(settings: dict[str, Any], epochs: int) -> Any:
        return AlternatingLeastSquares(factors=64, iterations=epochs, num_threads=threads, random_state=1, **settings)

    answer_with(build)


if __name__ == "__main__":
    main()
