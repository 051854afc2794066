"""An evaluation once more from the artifact alone, and the page."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest

from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.report import EvaluationReport
from recsys_api.spec.evaluation import Evaluation
from recsys_trainer import VERSION, cli
from recsys_trainer.html.page import render_page
from recsys_trainer.table import render

SAME = (
    "metrics", "metricsAllUsers", "fullRanking", "cold", "baselines", "baselinesAllUsers", "beyondAccuracy", "calibration",
    "sampledNegatives", "popularityCurve", "retrieval", "bootstrapSeed", "userGroups", "itemGroups",
)  # fmt: skip


@pytest.mark.parametrize("place", ["artifact", "."])
def test_an_evaluation_from_the_artifact_alone_gives_the_same_figures(
    fitted: Path, fitted_report: dict[str, Any], parquet: Path, tmp_path: Path, place: str
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(parquet, moved)
    if place == "artifact":
        shutil.copytree(fitted / "artifact", tmp_path / "alone")
    folder = tmp_path / "alone" if place == "artifact" else fitted
    command = ["evaluate", "--artifact", str(folder), "--data", str(moved), "--output", str(tmp_path / "out")]
    assert cli.main(command) == 0
    again = json.loads((tmp_path / "out/report.json").read_text())
    assert {name: again[name] for name in SAME} == {name: fitted_report[name] for name in SAME}
    assert [gate["outcome"] for gate in again["gates"]] == ["Pass", "NotComparable"]
    assert "with --stable" in again["gates"][1]["message"]
    protocols = [(each / "ncf-protocol.json").read_text() for each in (tmp_path / "out", fitted)]
    assert protocols[0] == protocols[1]


def test_of_a_training_that_is_not_known_nothing_is_told(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "--artifact", str(fitted), "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "training  evaluated again from the artifact\ntest " in shown
    assert "samples/s" not in shown
    training = json.loads((tmp_path / "report.json").read_text())["training"]
    assert (training["epochs"], "epochsRun" in training, "samples" in training) == (3, False, False)


def test_an_artifact_is_evaluated_beside_a_stable_one(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "--artifact", str(fitted), "--stable", str(fitted / "artifact"), "--output", str(tmp_path)]
    assert cli.main(command) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["stable"]["status"], report["stable"]["name"]) == ("Compared", "artifact")
    assert [gate["outcome"] for gate in report["gates"]] == ["Pass", "Pass"]
    assert f"beside artifact ({report['stable']['digest'][:19]}…)" in capsys.readouterr().out
    assert cli.main(["evaluate", "--artifact", str(fitted), "--stable", str(tmp_path / "none")]) == 66
    assert "none: does not exist; name an artifact, or an output folder of fit" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_output_is_told_before_anything_is_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["evaluate", "--artifact", str(tmp_path / "none"), "--output", str(tmp_path / "file")]) == 64
    assert f"--output {tmp_path}/file: is a file; name a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--stable", "x"], "evaluate: --stable goes with --artifact"),
        (["--data", "x"], "evaluate: --data goes with --artifact"),
        (["--output", "x"], "evaluate: --output goes with --artifact"),
        (["--artifact", "x", "--key", "h2"], "evaluate: --key names the report of a Job"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_other_data_is_evaluated_and_said(
    fitted: Path, table: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(table.slice(0, 2500), tmp_path / "a.parquet")
    assert cli.main(["evaluate", "--artifact", str(fitted), "--data", str(tmp_path)]) == 0
    error = capsys.readouterr().err
    assert error.startswith("note: the data has digest sha256:")
    assert "figures will differ" in error


@pytest.mark.parametrize(
    ("artifact", "data", "code", "words"),
    [
        ("nowhere", None, 66, "nowhere: does not exist; name an artifact, or an output folder of fit"),
        (None, "nowhere", 66, "nowhere: does not exist"),
    ],
)
def test_what_is_not_there_is_one_line(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], artifact: str | None, data: str | None,
    code: int, words: str,
) -> None:  # fmt: skip
    command = ["evaluate", "--artifact", str(tmp_path / artifact if artifact else fitted)]
    assert cli.main([*command, *(["--data", str(tmp_path / data)] if data else [])]) == code
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def cut(artifact: Path, file: str) -> None:
    (artifact / file).write_bytes((artifact / file).read_bytes()[:-9])


def of_another_trainer(artifact: Path, file: str) -> None:
    manifest = json.loads((artifact / file).read_text())
    manifest["resolved"]["training"]["tomorrow"] = 1
    (artifact / file).write_text(json.dumps(manifest))


@pytest.mark.parametrize("place", ["artifact", "."])
@pytest.mark.parametrize(
    ("spoil", "file", "code", "words"),
    [
        (cut, "manifest.json", 66, f"artifact/manifest.json: not what trainer {VERSION} reads: it was changed, or another trainer wrote it; train again, or copy"),
        (cut, "weights.safetensors", 66, "artifact: its files have digest sha256:"),
        (of_another_trainer, "manifest.json", 64, "manifest.json: resolved.training.tomorrow: is not a field; "),
    ],
)  # fmt: skip
def test_an_artifact_that_cannot_be_read_is_one_line_that_says_which(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str,
    spoil: Callable[[Path, str], None], file: str, code: int, words: str,
) -> None:  # fmt: skip
    shutil.copytree(fitted, tmp_path / "spoilt")
    spoil(tmp_path / "spoilt/artifact", file)
    for command in (
        ["evaluate", "--artifact", str(tmp_path / "spoilt" / place)],
        ["compare", str(fitted), str(tmp_path / "spoilt" / place)],
    ):
        assert cli.main(command) == code
        error = capsys.readouterr().err
        assert f"{tmp_path}/spoilt" in error
        assert words in error
        assert error.count("\n") == 1


class Tags(HTMLParser):
    """Counts tags, and keeps what would load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads.extend(name for name, _ in attrs if name in ("src", "href", "onload", "onerror"))


def test_the_page_shows_everything_and_loads_nothing(fitted: Path) -> None:
    text = (fitted / "report.html").read_text()
    page = Tags()
    page.feed(text)
    assert page.tags.count("svg") == 5
    assert "script" not in page.tags
    assert page.loads == []
    for words in (
        "Learning curves", "popularity", "itemKNN", "ease", "recentPopularity", "Calibration", "Slope", "Popularity curve",
        "99 sampled negatives", "Krichene and Rendle 2020", "test users were asked", "does not know their first test item",
        "repeats dropped", "rows set aside", "without cold items",
    ):  # fmt: skip
        assert words in text


def test_settings_are_shown_as_a_manifest_writes_them(fitted: Path, fitted_report: dict[str, Any]) -> None:
    changed = {**fitted_report, "model": {"on": True, "parts": [{"uri": "s3://a"}, {"uri": "s3://b"}], "none": {}}}
    protocol = NcfProtocolReport.model_validate_json((fitted / "ncf-protocol.json").read_bytes())
    page = render_page(EvaluationReport.model_validate(changed), protocol)
    settings = page[page.index("<h2>Settings</h2>") :]
    for field, value in {
        "data.columns.timestamp": "ts",
        "data.validation.maxNullFraction": "&#x27;0&#x27;",
        "training.optimizer.learningRate": "0.01",
        "model.on": "true",
        "model.parts[1].uri": "s3://b",
        "model.none": "{}",
    }.items():
        assert f"<td>{field}</td><td>{value}</td>" in settings
    assert "{&#x27;" not in settings
    assert "<td>model.hiddenLayers</td><td>[16, 8]</td>" in (fitted / "report.html").read_text()


def test_one_epoch_is_no_curve(fitted: Path, fitted_report: dict[str, Any]) -> None:
    training = {**fitted_report["training"], "history": fitted_report["training"]["history"][:1], "epochsRun": 1}
    report = EvaluationReport.model_validate({**fitted_report, "training": training})
    protocol = NcfProtocolReport.model_validate_json((fitted / "ncf-protocol.json").read_bytes())
    assert "Learning curves" not in render_page(report, protocol)
    assert " 1 epoch, best" in render(report, Evaluation())


def test_a_refit_is_a_curve_of_its_own(fitted: Path, fitted_report: dict[str, Any]) -> None:
    """As one line the curve went back from the last epoch to the first, and the terminal told the refit's epochs alone."""
    history = [{"epoch": float(epoch), "loss": 1 / epoch, "ndcg@10": 0.1} for epoch in range(1, 6)]
    refit = [{"epoch": float(epoch), "loss": 2 / epoch} for epoch in range(1, 4)]
    told = {"history": history, "refitHistory": refit, "epochsRun": 5, "bestEpoch": 3}
    report = EvaluationReport.model_validate({**fitted_report, "training": {**fitted_report["training"], **told}})
    protocol = NcfProtocolReport.model_validate_json((fitted / "ncf-protocol.json").read_bytes())
    page = render_page(report, protocol)
    curves = page[page.index("Learning curves") : page.index("<h2>What the lists")]
    assert [len(path.split("L")) for path in re.findall(r'<path class="line l." d="(M[^"]*)"', curves)] == [5, 3, 5]
    assert "refit on both parts" in curves
    assert "refitHistory" not in page
    assert " 5 epochs, best 3, then 3 on training and validation part," in render(report, Evaluation())


def test_what_a_user_wrote_is_escaped(fitted: Path, fitted_report: dict[str, Any]) -> None:
    poison = "<script>alert('x')</script><img src=x onerror=y>"
    groups = {"metrics": {poison: fitted_report["metrics"]}, "gaps": dict.fromkeys(fitted_report["metrics"], 0.0)}
    share = {"lists": 1.0, "exposure": 1.0, "training": 1.0, "catalogue": 1.0}
    changed = {
        **fitted_report,
        "model": {"architecture": poison, poison: poison},
        "data": {**fitted_report["data"], "testUsers": poison, "source": {"uri": poison}},
        "stable": {"name": poison, "digest": poison, "reason": poison},
        "gates": [{"name": poison, "outcome": "Pass", "message": poison}],
        "userGroups": groups,
        "itemGroups": {poison: share},
        "calibration": {"status": "NotCalibrated", "reason": poison},
    }
    protocol = NcfProtocolReport.model_validate_json((fitted / "ncf-protocol.json").read_bytes())
    page = Tags()
    page.feed(render_page(EvaluationReport.model_validate(changed), protocol))
    assert not {"script", "img"} & set(page.tags)
    assert page.loads == []


def test_groups_that_the_manifest_names_are_in_the_report(
    write_manifest: Manifest, table: pa.Table, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    country = pa.array(["fr" if user % 3 else "de" for user in table["user_id"].to_pylist()])
    genre = pa.array([f"g{item % 4}" for item in table["item_id"].to_pylist()])
    pq.write_table(table.append_column("country", country).append_column("genre", genre), tmp_path / "data/a.parquet")
    columns = {"timestamp": "ts", "userGroup": "country", "itemGroup": "genre"}
    manifest = write_manifest(f"file://{tmp_path}/data", **{"data.columns": columns, "training.epochs": 1})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert set(report["userGroups"]["metrics"]) == {"de", "fr"}
    users = report["userGroups"]["metrics"]
    assert sum(block["ndcg@10"]["n"] for block in users.values()) == report["data"]["warmUsers"]
    assert set(report["itemGroups"]) == {"g0", "g1", "g2", "g3"}
    for share in ("lists", "exposure", "training", "catalogue"):
        assert sum(group[share] for group in report["itemGroups"].values()) == pytest.approx(1)
    page = (tmp_path / "out/report.html").read_text()
    found = users["de"]["ndcg@10"]
    assert f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]" in page
    for group, block in users.items():
        small = block["ndcg@10"]["n"] < 30
        assert (group in report["userGroups"]["tooSmall"]) == (f"{group} (too small)" in page) == small
    assert "Groups with fewer than 30 users are too small" in page
