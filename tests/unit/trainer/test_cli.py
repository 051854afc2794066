"""`recsys-trainer fit`: files, table, exit codes."""

import io
import json
import os
import re
import shlex
import shutil
import sys
import termios
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest

from recsys_trainer import cli
from recsys_trainer.evaluation.report import EvaluationReport
from recsys_trainer.html.charts import BOTTOM, HEIGHT, TOP, line_chart
from recsys_trainer.progress import CLEAR, Bar, EpochProgress, lines, notes, within
from recsys_trainer.table import render, would_go_on


def fit(manifest: Path, output: Path, *more: str) -> int:
    return cli.main(["fit", "-f", str(manifest), "--output", str(output), *more])


def test_fit_leaves_snapshot_artifact_reports_and_the_report(fitted: Path, fitted_report: dict[str, Any]) -> None:
    folders, files = {"snapshot", "artifact", "reports"}, {"report.json", "report.html", "ncf-protocol.json"}
    assert {path.name for path in fitted.iterdir()} == folders | files
    report = EvaluationReport.model_validate(fitted_report)
    assert [gate.outcome for gate in report.gates] == ["Pass", "NotComparable"]
    assert report.gates[1].message.endswith("with --stable")
    assert report.stable.status == "NotGiven"
    assert fitted_report["data"]["source"]["uri"].startswith("file://")


def test_fit_prints_metrics_beside_popularity_and_what_the_gates_would_do(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = [{"name": "high", "metric": {"name": "NDCG"}, "atLeast": "1"}]
    manifest = write_manifest(**{"evaluation.gates": gates, "training.epochs": 1})
    assert fit(manifest, tmp_path / "out") == 0
    captured = capsys.readouterr()
    for words in (
        "warm users",
        "all users",
        "cold users, answered by popularity",
        "popularity",
        "95 % interval",
        "Fail",
    ):
        assert words in captured.out
    assert "In a cluster this version would be rejected." in captured.out
    told = [json.loads(line) for line in captured.err.splitlines()]
    assert [line.get("epoch", line.get("kind")) for line in told] == ["prepare", 1, "train", "evaluate"]
    assert fit(manifest, tmp_path / "out", "--fail-on-gate") == 1


@pytest.mark.parametrize(("policy", "code"), [("Hold", 1), ("Reject", 1), ("Pass", 0)])
def test_a_gate_that_too_few_users_judge_fails_a_fit_unless_its_policy_is_to_pass(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, code: int
) -> None:
    gates = [{"name": "low", "metric": {"name": "NDCG"}, "atLeast": "0"}]
    few = {"data.split": {"testFraction": 0.01}, "training.epochs": 1}
    manifest = write_manifest(**{"evaluation": {"gates": gates, "onUndecided": policy}}, **few)
    assert fit(manifest, tmp_path / "out", "--fail-on-gate") == code
    assert re.search(r"Undecided +low: ndcg@10: the test has \d+ warm users, 30 are needed", capsys.readouterr().out)


def test_fit_reads_a_folder_in_the_place_of_the_manifests_source(
    write_manifest: Manifest, parquet: Path, tmp_path: Path
) -> None:
    parts = {name: f"s3://nowhere/{name}/" for name in ("train", "validation", "test")}
    manifest = write_manifest(
        **{
            "data.source.uri": "s3://nowhere/",
            "data.split": {"strategy": "Predefined", "predefined": parts},
            "training.epochs": 1,
        }
    )
    table = pq.read_table(parquet)
    for name, rows in (("train", slice(0, 2000)), ("validation", slice(2000, 2500)), ("test", slice(2500, 3000))):
        (tmp_path / "data" / name).mkdir(parents=True)
        pq.write_table(table[rows], tmp_path / "data" / name / "part.parquet")
    assert fit(manifest, tmp_path / "out", "--data", str(tmp_path / "data")) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["data"]["source"]["uri"] == f"file://{tmp_path / 'data'}"


def test_fit_compares_with_an_earlier_fit(
    write_manifest: Manifest, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = [{"name": "no-worse", "metric": {"name": "NDCG"}, "maxRegressionPercent": "0"}]
    assert fit(write_manifest(**{"evaluation.gates": gates}), tmp_path / "new", "--stable", str(fitted)) == 0
    output = capsys.readouterr().out
    assert "Pass          no-worse: ndcg@10" in output
    block = json.loads((tmp_path / "new/report.json").read_text())["stable"]
    assert (block["status"], block["name"]) == ("Compared", fitted.name)
    assert f"beside {fitted.name} ({block['digest'][:19]}…), on test interactions later than both trainings" in output
    assert f"warm users, {block['metrics']['ndcg@10']['n']}" in output
    found = block["metrics"]["ndcg@10"]
    line = f"{found['stable']:>8.4f}{found['value']:>8.4f}  +0.0000  [+0.0000, +0.0000]  no difference shown"
    assert f"  ndcg@10     {line}" in output
    page = (tmp_path / "new/report.html").read_text()
    assert "Beside the stable version" in page
    assert block["digest"] in page


def test_a_second_fit_says_what_the_second_manifest_asks_for(write_manifest: Manifest, tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out/mine.txt").write_text("stays")
        assert fit(write_manifest(**{"training.seed": seed, "training.epochs": 1}), tmp_path / "out") == 0
        assert json.loads((tmp_path / "out/report.json").read_text())["training"]["seed"] == seed
    assert (tmp_path / "out/mine.txt").read_text() == "stays"


def test_a_refit_trains_on_validation_too_and_the_test_judges_it(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(**{"training.refit": "TrainPlusValidation", "training.epochs": 2})
    assert fit(manifest, tmp_path / "out") == 0
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    epochs = [line.get("epoch", line.get("note")) for line in told if "kind" not in line]
    again = epochs.index("refit on training and validation part")
    assert epochs[again + 1 :] == list(range(1, len(epochs) - again)), "they count from 1 again, and a line says why"
    snapshot = json.loads((tmp_path / "out/snapshot/snapshot.json").read_text())
    artifact = json.loads((tmp_path / "out/artifact/manifest.json").read_text())
    assert artifact["trainCutoffTimestamp"] == snapshot["validationCutoffTimestamp"] > snapshot["trainCutoffTimestamp"]


@pytest.mark.parametrize("strategy", ["LeaveOneOut", "Random"])
@pytest.mark.parametrize("architecture", ["GMF", "MLP"])
def test_every_split_and_family_goes_through(
    write_manifest: Manifest, tmp_path: Path, strategy: str, architecture: str
) -> None:
    layers = {"hiddenLayers": [16, 8]} if architecture == "MLP" else {}
    model = {"architecture": architecture, "embeddingDim": 8, **layers}
    changes = {"data.split": {"strategy": strategy, "target": "First"}, "model": model}
    assert fit(write_manifest(**changes, **{"training.epochs": 1}), tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read (No such file or directory); check -f"),
        ("a: [", "manifest: is not YAML; correct this: "),
        ("", "kind: 0 documents of kind RecommenderModel found; give exactly one"),
        ("kind: Pod\n", "kind: 0 documents of kind RecommenderModel found, but Pod; give exactly one"),
        ("kind: RecommenderModel\n---\nkind: RecommenderModel\n", "kind: 2 documents of kind RecommenderModel found"),
        ("apiVersion: recsys.dev/v1alpha1\nkind: RecommenderModel\nmetadata: {name: x}\n", "spec: is missing; add it"),
    ],
)
def test_a_bad_manifest_is_one_line_and_64(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    path = tmp_path / "model.yaml"
    if text is not None:
        path.write_text(text)
    assert fit(path, tmp_path / "out") == 64
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"model.embedingDim": 8}, "spec.model.embedingDim: is not a field; did you mean embeddingDim?"),
        ({"model": {"architecture": "Foo"}}, 'spec.model.architecture: "Foo" is not one of the allowed values; use '),
        ({"training.epochs": "3"}, 'spec.training.epochs: "3" is not an integer; write digits without quotes'),
        ({"model.architecture": "GMF"}, "spec.model.hiddenLayers: hiddenLayers must be absent, because only MLP and "),
    ],
)
def test_a_wrong_field_is_answered_with_the_right_one(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], line: str
) -> None:
    manifest = write_manifest(**changes)
    assert fit(manifest, tmp_path / "out") == 64
    error = capsys.readouterr().err
    assert error.startswith(f"error: {manifest}: {line}")
    assert error.count("\n") == 1


def test_all_that_is_wrong_with_a_manifest_is_told_at_once_a_line_each(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(**{"model.dropout": 2, "training.epochs": 0, "evaluation.onUndecided": "Wait"})
    assert fit(manifest, tmp_path / "out") == 64
    places = [line.split(": ")[:3] for line in capsys.readouterr().err.splitlines()]
    fields = ["spec.model.dropout", "spec.training.epochs", "spec.evaluation.onUndecided"]
    assert places == [["error", str(manifest), field] for field in fields]


def test_bad_arguments_are_one_line(
    write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert fit(write_manifest(), tmp_path / "out", "--stable", str(tmp_path)) == 64
    unknowable = tmp_path / ("x" * 300)  # nobody can tell whether it is there, as in a folder that may not be entered
    assert fit(write_manifest(), unknowable) == 66
    assert fit(write_manifest(), tmp_path / "out", "--cache", str(unknowable)) == 66
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/manifest.json").write_text("{")
    assert fit(write_manifest(), tmp_path / "out", "--stable", str(tmp_path)) == 64
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["error"] * 4


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("fit -f {manifest} --output {file}", "--output {file}: is a file; name a folder"),
        ("fit -f {manifest} --output {file}/a/b", "--output {file}/a/b: {file} is a file; name a folder"),
        ("fit -f {manifest} --output {link}", "--output {link}: is a link to what is not there; name a folder"),
        ("evaluate --artifact {fit} --output {file}/a", "--output {file}/a: {file} is a file; name a folder"),
        ("compare {fit} {fit} --json {file}/a.json", "the folder of --json {file}: is a file; name a folder"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_before_anything_is_read(
    write_manifest: Manifest, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    places = {
        "file": tmp_path / "file",
        "link": tmp_path / "link",
        "fit": fitted,
        "manifest": write_manifest(**{"data.source.uri": "file:///none"}),
    }
    assert cli.main(shlex.split(command.format(**places))) == 64
    assert capsys.readouterr().err == f"error: {words.format(**places)}\n"


def test_a_fit_does_not_replace_what_it_is_to_be_compared_with(
    fitted: Path, write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(fitted, tmp_path / "out")
    assert fit(write_manifest(), tmp_path / "out", "--stable", str(tmp_path / "out/reports/..")) == 64
    assert "is --output too, and its artifact would be replaced; name another folder" in capsys.readouterr().err
    kept, before = (each / "artifact/manifest.json" for each in (tmp_path / "out", fitted))
    assert kept.read_bytes() == before.read_bytes()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("fit -f m --output s3://models/x", "--output: s3://models/x is a URI; name a folder of this machine"),
        (
            "fit -f m --output ''",
            "--output: is empty, which would be the current folder; name a folder, or . for this one",
        ),
        ("fit -f m --output o --data ''", "--data: is empty"),
        ("fit -f m --output o --cache ''", "--cache: is empty"),
        ("fit -f m --output o --stable gs://x/y", "--stable: gs://x/y is a URI"),
        ("evaluate --artifact s3://x", "--artifact: s3://x is a URI"),
        ("evaluate --artifact a --output s3://x", "--output: s3://x is a URI"),
        ("recommend --artifact '' --user 1", "--artifact: is empty"),
        ("compare a s3://x", "B: s3://x is a URI"),
        ("compare a b --data ''", "--data: is empty"),
    ],
)
def test_a_place_that_would_be_taken_for_another_folder_is_refused(
    capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(shlex.split(command))
    assert ended.value.code == 2
    assert f"error: argument {words}" in capsys.readouterr().err


class Terminal(io.StringIO):
    """One that does not say how wide it is."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_prose() -> None:
    stream = Terminal()
    show = lines(stream)
    show(EpochProgress(2, 20, 0.5, 0.25, 1000.0, 0.1, True))
    show(EpochProgress(3, 20, 0.5, None, 1000.0, 0.1, False, rmse=0.9))
    show(EpochProgress(1, 3, 0.5, None, 1000.0, 0.1, True))
    first, second, of_a_refit = stream.getvalue().replace(CLEAR, "").splitlines()
    text = r"epoch   2/20  loss 0.5000  NDCG@10 0.2500 \*  1,000 samples/s  0.1 s  [\d.]+ (MiB|GiB)"
    assert re.fullmatch(text, first)
    assert "  RMSE 0.9000 " in second
    assert "  NDCG@10 -    1,000 " in of_a_refit, "no star: nothing was compared"


@pytest.mark.parametrize(
    ("mebibytes", "told"), [(800, "800 MiB"), (1023, "1023 MiB"), (1024, "1.0 GiB"), (98765, "96.5 GiB")]
)
def test_the_line_of_an_epoch_fits_a_terminal(mebibytes: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys_trainer.progress.peak_memory", lambda: {"memoryBytes": mebibytes * 2**20})
    stream = Terminal()
    lines(stream)(EpochProgress(12, 20, 0.5, 0.25, 1_234_567.0, 123.4, True))
    line = stream.getvalue().replace(CLEAR, "").rstrip()
    assert line.endswith(f"  {told}")
    assert len(line) <= 80


def test_a_terminal_sees_a_bar_within_an_epoch_and_its_line_afterwards() -> None:
    now, stream = iter((0.0, 0.05, 0.2)), io.StringIO()
    bar = Bar(stream, lambda: next(now))
    for done in (0.1, 0.2, 0.5):
        within(bar, 1, 3, done)
    bar(EpochProgress(1, 3, 0.5, 0.25, 1000.0, 0.1, True))
    drawn = stream.getvalue().split(CLEAR)[1:]
    assert drawn[0] == "epoch   1/3  [###---------------------------]  10%"
    assert drawn[1] == "epoch   1/3  [###############---------------]  50%"
    assert drawn[2].startswith("epoch   1/3  loss")
    assert len(drawn) == 3, "too soon after the first"


@pytest.mark.parametrize(("columns", "cells"), [(40, 18), (20, 0), (200, 30)])
def test_a_bar_fits_its_terminal(columns: int, cells: int) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with os.fdopen(theirs, "w") as stream, os.fdopen(ours, "rb", buffering=0) as screen:
        within(Bar(stream, lambda: 1.0), 12, 20, 1.0)
        drawn = screen.read(1000).decode().removeprefix(CLEAR)
    assert drawn == f"epoch  12/20  [{'#' * cells}] 100%"


def test_a_note_and_an_error_take_the_place_of_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    within(Bar(stream), 1, 20, 0.5)
    notes(stream)("resumed")
    within(Bar(stream), 1, 20, 0.6)
    monkeypatch.setattr(sys, "stderr", stream)
    fit(tmp_path / "none.yaml", tmp_path / "out")
    assert re.fullmatch(r".* 50%\r\x1b\[Kresumed\n.* 60%\r\x1b\[Kerror: [^\r]*\n", stream.getvalue())


def test_a_pod_gets_a_line_of_json_with_loss_speed_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    lines()(EpochProgress(2, 20, 0.5, 0.25, 1000.0, 0.1, True))
    found = json.loads(capsys.readouterr().err)
    assert (found["loss"], found["samplesPerSecond"], found["ndcg@10"]) == (0.5, 1000.0, 0.25)
    assert found["memoryBytes"] > 2**20


@pytest.mark.parametrize(
    ("outcome", "policy", "words"),
    [
        ("Undecided", "Hold", "would wait for a person (onUndecided: Hold)"),
        ("NotComparable", "Pass", "would go on (onUndecided: Pass)"),
        ("Undecided", "Reject", "would be rejected (onUndecided: Reject)"),
    ],
)
def test_the_table_says_what_an_undecided_gate_would_do(
    fitted_report: dict[str, Any], outcome: str, policy: str, words: str
) -> None:
    from recsys_api.spec.evaluation import Evaluation

    gates = [{"name": "g", "outcome": outcome, "message": "m"}]
    report = EvaluationReport.model_validate({**fitted_report, "gates": gates})
    assert words in render(report, Evaluation.model_validate({"onUndecided": policy}))


@pytest.mark.parametrize("outcome", ["Pass", "Fail", None])
def test_a_gate_that_nothing_was_given_for_is_not_said_to_hold_the_version(
    fitted_report: dict[str, Any], outcome: str | None
) -> None:
    from recsys_api.spec.evaluation import Evaluation

    regression = {"name": "no-worse", "metric": {"name": "NDCG"}, "maxRegressionPercent": "2"}
    floor = {"name": "floor", "metric": {"name": "NDCG"}, "atLeast": "0.1"}
    results = [{"name": "no-worse", "outcome": "NotComparable", "message": "m"}]
    results += [{"name": "floor", "outcome": outcome, "message": "m"}] if outcome else []
    report = EvaluationReport.model_validate({**fitted_report, "gates": results})
    evaluation = Evaluation.model_validate({"gates": [regression, floor] if outcome else [regression]})
    text = render(report, evaluation)
    assert would_go_on(report, evaluation) == (outcome != "Fail")
    assert "would wait for a person" not in text
    assert "A cluster would judge no-worse too, against what serves there" in text
    assert ("would be rejected" in text) == (outcome == "Fail")
    assert ("would go on to its rollout" in text) == (outcome == "Pass")


def with_all_that_a_report_can_have(fitted_report: dict[str, Any]) -> EvaluationReport:
    """Five baselines, ratings, unknown users, a stable version and long messages."""
    block = fitted_report["metrics"]
    baselines = dict.fromkeys(("popularity", "recentPopularity", "itemKNN", "ease", "ratingBias"), block)
    ratings = {"rmse": block["hr@10"], "mae": block["hr@10"]}
    difference = {"value": 0.1, "stable": 0.2, "difference": -0.1, "low": -0.3, "high": 0.1, "n": 90}
    stable = {"status": "Compared", "name": "out-of-an-earlier-fit", "digest": "sha256:" + 64 * "0"}
    stable["metrics"] = stable["metricsAllUsers"] = dict.fromkeys(block, difference)
    gate = {"name": "floor", "outcome": "Fail", "message": "ndcg@10 0.1 of 90 warm users is below 0.9; " * 4}
    changed = {
        "baselines": baselines, "baselinesAllUsers": baselines, "ratings": ratings, "stable": stable, "gates": [gate],
        "ratingsBaselines": {"ratingBias": ratings, "mean": ratings}, "baselinesLeftOut": {"ease": "too many items " * 7},
        "unknownUsers": {"behaviour": "FoldIn", "metrics": block, "baselines": baselines},
    }  # fmt: skip
    return EvaluationReport.model_validate({**fitted_report, **changed})


@pytest.mark.parametrize("columns", [80, 96, 132])
def test_the_table_fits_its_terminal(fitted_report: dict[str, Any], columns: int) -> None:
    from recsys_api.spec.evaluation import Evaluation

    report = with_all_that_a_report_can_have(fitted_report)
    table = render(report, Evaluation(), columns).splitlines()
    assert [line for line in table if len(line) > columns] == []
    (head,) = (line.split() for line in table if " model " in line)
    whole = ["popularity", "recent", "itemKNN", "ease", "ratingBias"]
    assert head[-5:] == (whole if columns >= 96 else ["popular", "recent", "itemKNN", "ease", "bias"])
    value, warm = f"{report.metrics['ndcg@10'].value:.4f}", table.index(f"warm users, {report.metrics['ndcg@10'].n}")
    assert table[warm + 1].split().count(value) == 6
    gate = next(at for at, line in enumerate(table) if line.startswith("  Fail"))
    assert table[gate + 1].startswith(" " * 16), "below where the text of the gate begins"


def test_a_narrow_terminal_gets_broken_lines_and_all_figures(fitted_report: dict[str, Any]) -> None:
    from recsys_api.spec.evaluation import Evaluation

    report = with_all_that_a_report_can_have(fitted_report)
    narrow, wide = (render(report, Evaluation(), columns) for columns in (50, 80))
    assert max(map(len, narrow.splitlines())) <= 50
    assert re.findall(r"\d\.\d{4}", narrow) == re.findall(r"\d\.\d{4}", wide)


def test_without_a_terminal_no_message_is_broken_and_the_table_is_80_wide(fitted_report: dict[str, Any]) -> None:
    from recsys_api.spec.evaluation import Evaluation

    report = with_all_that_a_report_can_have(fitted_report)
    lines = render(report, Evaluation()).splitlines()
    assert f"  Fail          floor: {report.gates[0].message}" in lines
    assert max(len(line) for line in lines if re.search(r"[@e]\S*  .*0\.\d{4}  ", line)) <= 80


@pytest.mark.parametrize("loss", [0.0, 0.25, 2e17, -2e17, 1e300])
def test_a_chart_of_one_point_has_it_in_the_middle_whatever_its_size(loss: float) -> None:
    (height,) = re.findall(
        r'<circle class="b0" cx="[0-9.]+" cy="([0-9.]+)"', line_chart({"loss": [(1.0, loss)]}, "", "", dots=True)
    )
    assert float(height) == (TOP + HEIGHT - BOTTOM) / 2


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [(2, ["1", "2"]), (10, ["2", "4", "6", "8", "10"]), (101, ["20", "40", "60", "80", "100"])],
)
def test_epochs_of_a_chart_are_whole(epochs: int, ticks: list[str]) -> None:
    chart = line_chart({"loss": [(1.0, 0.5), (float(epochs), 0.25)]}, "epoch", "loss")
    assert re.findall(r'text-anchor="middle">([0-9.e+]+)<', chart) == ticks


@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_the_help_names_each_report_that_a_command_leaves(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    told = re.sub(r"\s|-", "", capsys.readouterr().out)
    assert all(name in told for name in ("report.json", "report.html", "ncfprotocol.json"))
