"""What half of the bits gain is measured in turn and printed with its range."""

import pytest
from benchmarks import modes, precision
from benchmarks.sizes import Sizes


def test_the_row_has_the_median_and_the_range_of_the_rounds_ratios() -> None:
    row = precision.gain_row("it", "s", [(1.0, 2.0), (2.0, 3.0), (4.0, 4.0)])
    assert row["unit"].startswith("s (1.50 times as fast, 1.00 to 2.00, n=3, CPU with")
    assert (row["value"], row["peerValue"], row["ratio"]) == (2.0, 3.0, 1.5)


def test_each_precision_is_the_one_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = list[str | None](), modes.fit

    def fit(*arguments: object) -> object:
        asked.append(arguments[1].precision)  # type: ignore[attr-defined]
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(modes, "fit", fit)
    positives = modes.synthetic_positives(Sizes(40, 30, 300))
    found = [precision.case_row(*case, positives, 1, "cpu") for case in precision.CASES]
    assert asked == ["Float32", "BFloat16", "BFloat16", "Float32"] * len(precision.CASES)
    assert all(row["value"] > 0 < row["peerValue"] for row in found)
