"""The verbs of Jobs: results, termination messages, idempotence, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.trainer.conftest import Job

from recsys_api.run_spec import EvaluateResult, GateResult, MetricValue, PrepareResult, TrainResult, parse_job_result
from recsys_trainer.outputs import ARTIFACT
from recsys_trainer.termination import MAX_BYTES, encode


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_three_jobs_leave_what_the_next_one_reads_and_run_once(job: Job, tmp_path: Path) -> None:
    version = tmp_path / "version"
    gates = [{"name": "no-worse", "metric": {"name": "NDCG"}, "maxRegressionPercent": "0"}]
    changes = {"training.gpusPerNode": 1, "evaluation.gates": gates}
    results = {}
    for verb, kind in (("prepare", PrepareResult), ("train", TrainResult), ("evaluate", EvaluateResult)):
        code, result = job(verb, **changes)
        assert code == 0
        assert isinstance(result, kind)
        assert result.error == ""
        before = contents(version)
        assert job(verb, **changes) == (0, result), "again: the same result"
        assert job("report", verb, **changes) == (0, result), "from the store: the same result"
        assert contents(version) == before, "and nothing is written"
        results[verb] = result
    assert results["prepare"].rows > 500
    assert results["train"].device == "cpu"
    assert results["train"].message == "no CUDA device found: trained on the CPU"
    assert results["train"].digest == json.loads((version / ARTIFACT).read_text())["digest"]
    assert set(results["evaluate"].metrics) == {"ndcg@10", "recall@20", "hr@10"}
    assert results["evaluate"].cold_users > 0
    first = json.loads((version / "reports/evaluation-h0.json").read_text())["stable"]
    assert (first["status"], first["reason"]) == ("NothingServes", "nothing serves yet")
    assert [gate.outcome for gate in results["evaluate"].gates] == ["Pass"]


def test_an_incomplete_output_is_made_again(job: Job, tmp_path: Path) -> None:
    _, first = job("prepare")
    (tmp_path / "version/snapshot/items.idmap").unlink()
    assert job("report", "prepare")[0] == 66
    assert job("prepare") == (0, first)
    (tmp_path / "version/snapshot/snapshot.json").write_text("{")
    assert job("prepare") == (0, first)


def test_a_changed_snapshot_is_not_trained_on(job: Job, tmp_path: Path) -> None:
    job("prepare")
    with (tmp_path / "version/snapshot/users.idmap").open("ab") as file:
        file.write(b"x")
    code, result = job("train")
    assert code == 66
    assert "its manifest says sha256:" in result.error


def test_an_evaluation_under_another_key_leaves_the_first(job: Job, tmp_path: Path) -> None:
    for verb in ("prepare", "train", "evaluate"):
        job(verb)
    gates = [{"name": "floor", "metric": {"name": "HR"}, "atLeast": "2"}]
    code, result = job("evaluate", "--key", "h2", **{"evaluation.gates": gates})
    assert code == 0, "a failing gate is a result, not an error"
    assert [gate.outcome for gate in result.gates] == ["Fail"]
    assert {path.name for path in (tmp_path / "version/reports").iterdir()} == {
        "training.json", "evaluation-h0.json", "evaluation-h2.json", "ncf-protocol-h0.json", "ncf-protocol-h2.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "outcome", "words"), [(0, "Pass", "change +0.0 %"), (10**9, "NotComparable", "0 warm users have test")]
)
def test_the_stable_artifact_is_scored_again_on_what_neither_has_seen(
    job: Job, tmp_path: Path, seconds: int, outcome: str, words: str
) -> None:
    for verb in ("prepare", "train"):
        job(verb)
    path = tmp_path / "version" / ARTIFACT
    manifest = json.loads(path.read_text())
    manifest["trainCutoffTimestamp"] += seconds
    path.write_text(json.dumps(manifest))
    stable = {"name": "movies-1", "versionUri": f"file://{tmp_path}/version", "digest": manifest["digest"]}
    gates = [{"name": "no-worse", "metric": {"name": "NDCG"}, "maxRegressionPercent": "0"}]
    code, result = job("evaluate", run_file={"stable": stable}, **{"evaluation.gates": gates})
    assert code == 0
    assert result.gates[0].outcome == outcome
    assert words in result.gates[0].message
    block = json.loads((tmp_path / "version/reports/evaluation-h0.json").read_text())["stable"]
    assert (block["name"], block["digest"]) == ("movies-1", manifest["digest"])
    if outcome == "Pass":
        assert (block["status"], block["reason"]) == ("Compared", "")
        assert block["metrics"]["ndcg@10"]["stable"] == block["metrics"]["ndcg@10"]["value"]
    else:
        assert (block["status"], block["metrics"]) == ("NotComparable", {})
        assert words in block["reason"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": "sha256:0"}, "sha256:0 serves"),
        ({"versionUri": "file:///nowhere"}, "its artifact is gone from file:///nowhere"),
    ],
)
def test_a_stable_that_is_not_there_is_not_comparable(
    job: Job, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    for verb in ("prepare", "train"):
        job(verb)
    stable = {"name": "movies-1", "versionUri": f"file://{tmp_path}/version", "digest": "", **change}
    gates = [{"name": "no-worse", "metric": {"name": "NDCG"}, "maxRegressionPercent": "0"}]
    _, result = job("evaluate", run_file={"stable": stable}, **{"evaluation.gates": gates})
    assert result.gates[0].outcome == "NotComparable"
    assert words in result.gates[0].message
    block = json.loads((tmp_path / "version/reports/evaluation-h0.json").read_text())["stable"]
    assert block["status"] == "NotComparable"
    assert words in block["reason"]


@pytest.mark.parametrize(
    ("verb", "code", "changes", "words"),
    [
        ("prepare", 64, {"data.source.uri": "file:///data/"}, "spec.data.source.uri: file:///data/: file:// works in"),
        ("prepare", 64, {"training.epochs": 0}, "spec.training.epochs: 0 is too small; use 1 or more"),
        ("prepare", 64, {"trainin": {}}, "spec.trainin: is not a field; did you mean training?"),
        ("prepare", 64, {"training.refit": "All"}, 'spec.training.refit: "All" is not one of the allowed values; use'),
        (
            "prepare",
            64,
            {"data.columns": {}},
            "spec.data.columns.timestamp: columns.timestamp is needed by split.strategy",
        ),
        ("prepare", 64, {"data.columns.item": "user_id"}, "spec.data.columns.item: user and item name the same column"),
        ("prepare", 64, {"data.columns.timestamp": "item_id"}, "spec.data.columns.timestamp: timestamp names the"),
        (
            "prepare",
            64,
            {"data.columns.rating": "ts"},
            "spec.data.columns.rating: rating names the column of the users",
        ),
        ("prepare", 65, {"data.validation.minInteractions": 10**6}, "fewer than data.validation.minInteractions"),
        ("prepare", 65, {"data.columns.user": "who"}, "column who: is missing; the file has user_id, item_id, ts"),
        ("prepare", 66, {"data.source.uri": "pvc://gone/x"}, "pvc://gone/x: does not exist"),
        ("train", 66, {}, "not complete; run prepare first"),
        ("evaluate", 66, {}, "not complete; run prepare first"),
    ],
)
def test_what_a_person_must_fix_is_one_line_and_an_exit_code(
    job: Job, capsys: pytest.CaptureFixture[str], verb: str, code: int, changes: dict[str, Any], words: str
) -> None:
    found, result = job(verb, **changes)
    output = capsys.readouterr().err
    assert found == code
    assert result.kind == verb
    assert words in result.error
    assert output.strip() == f"error: {result.error}"


def test_a_version_recorded_with_what_manifests_may_say_no_longer_is_prepared(job: Job) -> None:
    """Its serving pods run, and may have to be judged again."""
    code, result = job("prepare", **{"serving.podTemplate": {"nodeSelector": {"a b": "c d"}}})
    assert (code, result.error) == (0, "")


def test_a_missing_run_file_is_a_manifest_error(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_RUN_FILE", "/nowhere/run.json")
    code, result = job("train")
    assert (code, result.kind) == (64, "train")
    assert (
        "/nowhere/run.json: cannot be read (No such file or directory); set RECSYS_RUN_FILE; without a cluster there are fit, and evaluate --artifact"
        in result.error
    )


def test_a_bug_has_a_traceback_in_the_log_and_one_line_in_the_message(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise KeyError("what\nnow")

    monkeypatch.setattr("recsys_trainer.stages.prepare_interactions", broken)
    code, result = job("prepare")
    assert (code, result.error) == (1, "KeyError: 'what\\nnow'")
    assert "Traceback" in capsys.readouterr().err


def test_what_does_not_fit_memory_ends_with_71(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise MemoryError("9 GiB")

    monkeypatch.setattr("recsys_trainer.stages.prepare_interactions", full)
    code, result = job("prepare")
    assert code == 71
    assert "out of memory (9 GiB); lower training.batchSize" in result.error


@pytest.mark.parametrize(
    ("changes", "field", "uri", "package"),
    [
        ({"data.source.uri": "gs://lake/x/"}, "spec.data.source.uri", "gs://lake/x/", "gcsfs"),
        ({"artifacts.uri": "az://models/"}, "spec.artifacts.uri", "az://models/", "adlfs"),
        (
            {
                "data.source.uri": "gs://lake/",
                "data.split": {
                    "strategy": "Predefined",
                    "predefined": {part: f"gs://lake/{part}/" for part in ("train", "validation", "test")},
                },
            },
            "spec.data.split.predefined.train", "gs://lake/train/", "gcsfs",
        ),
    ],
)  # fmt: skip
def test_a_scheme_whose_package_is_missing_is_one_line_of_field_uri_and_package(
    job: Job, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], field: str, uri: str, package: str
) -> None:
    code, result = job("prepare", **changes)
    assert code == 66
    assert result.error == (
        f"{field}: {uri} needs the Python package {package}, which is not installed here; in a cluster name an image that "
        "has it in the chart's images.trainer, or use s3:// or pvc://"
    )
    assert capsys.readouterr().err == f"error: {result.error}\n"


def test_only_index_0_works_and_reports(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert job("prepare") == (0, None)
    assert not (tmp_path / "version").exists()


def test_sigterm_ends_with_143(tmp_path: Path) -> None:
    fifo = tmp_path / "run.json"
    os.mkfifo(fifo)
    environment = {**os.environ, "RECSYS_RUN_FILE": str(fifo)}
    command = [sys.executable, "-m", "recsys_trainer.cli", "prepare"]
    # The pipe opens once the job is reading its run file, so its handler is set.
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process, fifo.open("w"):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert process.stderr is not None
        assert process.stderr.read() == b"error: terminated by SIGTERM\n"


def test_a_termination_message_always_fits() -> None:
    gates = tuple(GateResult(name="g" * 40, outcome="Undecided", message="é" * 900) for _ in range(16))
    metrics = {
        name: MetricValue(value=0.123456, low=0.1, high=0.2, n=10**6) for name in ("ndcg@10", "recall@20", "hr@10")
    }
    message = encode(EvaluateResult(gates=gates, metrics=metrics, baseline=metrics, error="x" * 5000))
    assert len(message) <= MAX_BYTES
    parsed = parse_job_result(message.decode())
    assert isinstance(parsed, EvaluateResult)
    assert parsed.metrics == metrics
    assert [gate.outcome for gate in parsed.gates] == ["Undecided"] * 16
