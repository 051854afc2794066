"""Two fits, or two artifacts, side by side on the same users."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest

from recsys_api.base import Observed
from recsys_api.comparison import ComparedFit, ComparisonReport, FitDifference
from recsys_trainer import cli


@pytest.fixture(scope="module")
def weak(write_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit on the same snapshot that has learned next to nothing."""
    return fit(write_manifest, tmp_path_factory.mktemp("weak"), **{"training.optimizer.learningRate": 1e-6})


def fit(write_manifest: Manifest, output: Path, uri: str | None = None, **changes: Any) -> Path:
    manifest = write_manifest(uri, **{"training.epochs": 1, **changes})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(output)]) == 0
    return output


def alone(fit: Path, folder: Path) -> Path:
    """The artifact of a fit without anything beside it."""
    shutil.copytree(fit / "artifact", folder)
    return folder


def compared(file: Path, *arguments: str) -> dict[str, Any]:
    assert cli.main(["compare", *arguments, "--json", str(file)]) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_two_artifacts_and_the_interactions_say_what_two_fits_say(
    fitted: Path, weak: Path, parquet: Path, tmp_path: Path
) -> None:
    artifacts = [str(alone(each, tmp_path / name)) for name, each in (("a", fitted), ("b", weak))]
    of_fits = compared(tmp_path / "fits.json", str(fitted), str(weak))
    of_artifacts = compared(tmp_path / "artifacts.json", *artifacts, "--data", str(parquet))
    assert [of_artifacts[each]["folder"] for each in "ab"] == artifacts
    for each in "ab":
        of_fits[each].pop("folder"), of_artifacts[each].pop("folder")
    assert of_artifacts == of_fits
    assert "afterTimestamp" not in of_fits


@pytest.mark.parametrize("bare", [("a", "b"), ("b",)])
def test_artifacts_without_interactions_are_told_what_is_missing(
    fitted: Path, weak: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bare: tuple[str, ...]
) -> None:
    sides = {
        name: alone(each, tmp_path / name) if name in bare else each for name, each in (("a", fitted), ("b", weak))
    }
    capsys.readouterr()
    assert cli.main(["compare", *map(str, sides.values())]) == 66
    words = "has no snapshot/snapshot.json, so nothing tells its test part; name the interactions with --data"
    assert capsys.readouterr().err == f"error: {sides[bare[0]]}: {words}\n"


def test_trainings_on_other_data_are_asked_about_what_came_later_than_both(
    write_manifest: Manifest, fitted: Path, table: pa.Table, parquet: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "early").mkdir()
    pq.write_table(table.slice(0, 2700), tmp_path / "early/a.parquet")
    early = fit(write_manifest, tmp_path / "out", f"file://{tmp_path}/early")
    cutoffs = [json.loads((each / "artifact/manifest.json").read_text()) for each in (fitted, early)]
    latest = max(each["trainCutoffTimestamp"] for each in cutoffs)
    capsys.readouterr()
    found = compared(tmp_path / "both.json", str(early), str(fitted), "--data", str(parquet))
    output = capsys.readouterr().out
    assert found["afterTimestamp"] == latest == cutoffs[0]["trainCutoffTimestamp"]
    assert f"{found['users']} users that both were trained on, asked about interactions later than both" in output
    pairs = list(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))
    before, both_know = set(pairs[:2700]), {user for user, _ in pairs[:2160]}  # 80 % of what the early one had
    assert found["users"] == len({user for user, item in pairs[2700:] if (user, item) not in before} & both_know)
    swapped = compared(tmp_path / "swapped.json", str(fitted), str(early), "--data", str(parquet))
    assert swapped["users"] == found["users"]
    assert swapped["metrics"]["ndcg@10"]["difference"] == pytest.approx(-found["metrics"]["ndcg@10"]["difference"])


def test_artifacts_that_share_nobody_are_refused_with_one_line(
    write_manifest: Manifest, fitted: Path, table: pa.Table, parquet: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "strangers").mkdir()
    users = pa.array([f"u{user}" for user in table["user_id"].to_pylist()])
    pq.write_table(table.set_column(0, "user_id", users), tmp_path / "strangers/a.parquet")
    strangers = fit(write_manifest, tmp_path / "out", f"file://{tmp_path}/strangers")
    capsys.readouterr()
    assert cli.main(["compare", str(fitted), str(strangers), "--data", str(parquet)]) == 64
    words = "share 0 test users with interactions later than both trainings; 30 are needed"
    assert capsys.readouterr().err == f"error: {fitted} and {strangers} {words}\n"


def test_artifacts_of_other_targets_are_refused(
    write_manifest: Manifest, fitted: Path, parquet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = fit(write_manifest, tmp_path / "out", **{"data.split.target": "First"})
    capsys.readouterr()
    assert cli.main(["compare", str(fitted), str(first), "--data", str(parquet)]) == 64
    assert "has data.split.target All, " in capsys.readouterr().err


def test_fewer_users_than_carry_an_interval_are_not_compared(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = fit(write_manifest, tmp_path / "few", **{"data.split": {"testFraction": 0.01}})
    capsys.readouterr()
    assert cli.main(["compare", str(few), str(few)]) == 64
    assert "share 7 test users; 30 are needed" in capsys.readouterr().err


def test_that_one_has_learned_from_more_parts_is_told(
    write_manifest: Manifest, weak: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = fit(write_manifest, tmp_path / "more", **{"training.refit": "TrainPlusValidation"})
    words = "has learned from the validation part too (training.refit: "
    for first, second, told in ((weak, more, "B"), (more, weak, "A"), (weak, weak, ""), (more, more, "")):
        capsys.readouterr()
        found = compared(tmp_path / "both.json", str(first), str(second))
        refits = tuple("TrainPlusValidation" if each == more else "Never" for each in (first, second))
        assert (found["a"]["refit"], found["b"]["refit"]) == refits
        output = capsys.readouterr().out
        assert (f"\n{told} {words}{refits[0]} of A, {refits[1]} of B): a difference" in output) == bool(told)
        assert (words in output) == bool(told)


def test_two_fits_are_compared_on_the_users_that_they_share(
    write_manifest: Manifest, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(**{"training.epochs": 1, "training.optimizer.learningRate": 1e-6})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "bad")]) == 0
    capsys.readouterr()
    file = tmp_path / "new/both.json"
    assert cli.main(["compare", str(fitted), str(tmp_path / "bad"), "--json", str(file)]) == 0
    output = capsys.readouterr().out
    assert "A is better" in output
    found = json.loads(file.read_text())
    assert found["format"] == "recsys.dev/comparison/v1"
    for key, folder in (("a", fitted), ("b", tmp_path / "bad")):
        manifest = json.loads((folder / "artifact/manifest.json").read_text())
        assert found[key] == {
            "folder": str(folder),
            "digest": manifest["digest"],
            "architecture": "NeuMF",
            "refit": "Never",
        }
    assert f"{found['users']} users that both were trained on" in output
    assert len(found["metrics"]) == 6
    for name, each in found["metrics"].items():
        assert each["difference"] == pytest.approx(each["b"] - each["a"])
        line = f"  {name:<12}{each['a']:>8.4f}{each['b']:>8.4f}{each['difference']:>+9.4f}"
        assert f"{line}  [{each['low']:+.4f}, {each['high']:+.4f}]" in output
        assert each["n"] == found["users"]
    assert cli.main(["compare", str(fitted), str(fitted)]) == 0
    same = capsys.readouterr().out
    assert same.count("+0.0000  [+0.0000, +0.0000]  no difference shown") == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.split.testFraction": 0.2}, "were split from other data (sha256:"),
        ({"data.split.target": "First"}, "has data.split.target All, "),
    ],
)
def test_fits_that_cannot_be_compared_are_refused_with_one_line(
    write_manifest: Manifest, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any], words: str,
) -> None:  # fmt: skip
    manifest = write_manifest(**{"training.epochs": 1, **changes})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "other")]) == 0
    capsys.readouterr()
    assert cli.main(["compare", str(fitted), str(tmp_path / "other")]) == 64
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert cli.main(["compare", str(fitted), str(tmp_path / "nothing")]) == 66
    capsys.readouterr()
    assert cli.main(["compare", str(fitted), str(fitted), "--json", str(tmp_path)]) == 64
    assert capsys.readouterr().err == f"error: --json {tmp_path}: is a folder; name a file\n"


@pytest.mark.parametrize("model", [ComparisonReport, ComparedFit, FitDifference])
def test_the_docs_name_every_field_of_the_json(model: type[Observed]) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/evaluating.md").read_text()
    told = page[page.index("`--json FILE` writes") :]
    fields = {field.alias or name for name, field in model.model_fields.items()}
    assert {name for name in fields if f"`{name}`" not in told} == set()
