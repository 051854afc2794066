"""`recsys-trainer`: `fit`, `evaluate --artifact`, `compare` and `recommend` on a machine; the others in the Jobs of a cluster."""

import argparse
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import torch

from recsys_api.exit_codes import ExitCode
from recsys_api.listening import EVERYWHERE
from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.report import EvaluationReport
from recsys_api.run_spec import RunSpec, StableReference
from recsys_api.spec.model import WITH_STEPS
from recsys_trainer import again, process, stages
from recsys_trainer.arguments import read_arguments
from recsys_trainer.comparing import compare_fits, render_comparison
from recsys_trainer.errors import ManifestError, OutOfMemoryError, TrainerError, one_line
from recsys_trainer.evaluation.stable import NOT_GIVEN
from recsys_trainer.html.page import render_page
from recsys_trainer.launching import launched, processes_of_pod
from recsys_trainer.manifest import read_manifest, read_run_file
from recsys_trainer.outputs import (
    ARTIFACT,
    PAGE,
    PROTOCOL,
    REPORT,
    SNAPSHOT,
    TRAINING,
    observe_artifact,
    observe_protocol,
    observe_report,
    observe_training,
    protocol_name,
    report_name,
    write_json,
)
from recsys_trainer.parallel import Place, place_of_process
from recsys_trainer.progress import COLUMNS, lines, notes, over
from recsys_trainer.recommend import recommend, render_answer
from recsys_trainer.snapshot_cache import SnapshotCache
from recsys_trainer.stopping import Interrupted, Terminated, end_by_next, terminate
from recsys_trainer.store import Store, reading
from recsys_trainer.table import render, would_go_on
from recsys_trainer.termination import RESULTS, Result, encode, write_termination
from recsys_trainer.training_metrics import LOOPBACK, port_of_pod, published
from recsys_trainer.writable import refuse_unwritable

_SAVED = ": saved; the same command goes on there"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code of docs/contracts.md section 2."""
    arguments = read_arguments(argv)
    signal.signal(signal.SIGTERM, terminate)
    if (here := _on_this_machine(arguments)) is not None:
        return _guarded(lambda: here(arguments), lambda error: None)
    stage = arguments.stage if arguments.command == "report" else arguments.command

    def tell(error: str) -> None:
        if (
            os.environ.get("RANK", "0") == "0"
        ):  # of a pod's processes one speaks, else who notices a failure has the last word
            write_termination(RESULTS[stage](error=error))

    return _guarded(lambda: run_job(arguments), tell)


def _on_this_machine(arguments: argparse.Namespace) -> Callable[[argparse.Namespace], int] | None:
    """The command, where it is not a Job's."""
    if arguments.command == "evaluate" and arguments.artifact is not None:
        return run_evaluate
    return {"fit": run_fit, "compare": run_compare, "recommend": run_recommend}.get(arguments.command)


def _guarded(command: Callable[[], int], tell: Callable[[str], None]) -> int:
    """Run a command; every failure becomes a line and an exit code, only a bug also a traceback.

    Of a manifest that is wrong in several places each gets its line.
    """
    try:
        return command()
    except TrainerError as error:
        return _failed(error.line, error.exit_code, tell, *error.lines[1:])
    except (MemoryError, torch.OutOfMemoryError) as error:
        fix = "lower training.batchSize or model.embeddingDim, or raise training.resources memory"
        return _failed(f"out of memory ({one_line(str(error), 200)}); {fix}", OutOfMemoryError.exit_code, tell)
    except KeyboardInterrupt as error:
        end_by_next()
        return _failed(f"interrupted{_SAVED if isinstance(error, Interrupted) else ''}", 130, tell)
    except Terminated as error:  # a pod's next attempt is no failure: nothing is written for the operator
        return _failed(f"terminated by SIGTERM{_SAVED if error.saved else ''}", ExitCode.TERMINATED, lambda line: None)
    except Exception as error:
        traceback.print_exc()
        return _failed(one_line(f"{type(error).__name__}: {error}"), 1, tell)


def _failed(line: str, code: int, tell: Callable[[str], None], *others: str) -> int:
    for each in (line, *others):
        print(f"{over(sys.stderr)}error: {each}", file=sys.stderr, flush=True)
    tell(line)
    return int(code)


def run_fit(arguments: argparse.Namespace) -> int:
    """The three functions of a version in one process, then the report."""
    output: Path = arguments.output
    refuse_unwritable("--output", output)
    run = read_manifest(arguments.file, output, _stable(arguments.stable, output))
    if (data := _uri(arguments.data)) is not None:
        run = run.model_copy(update={"spec": again.with_data(run.spec, data)})
    store, place = Store(run.version_uri), place_of_process()
    if place.rank:
        stages.assist(run, store, place)
        return 0
    cache = SnapshotCache(arguments.cache, notes()) if arguments.cache else None
    _start_afresh(output, run)
    _say(stages.prepare(run, store, cache))
    with published(lines(), arguments.metrics_port, LOOPBACK, notes()) as progress:
        _say(stages.train(run, store, progress, notes(), place))
    _say(stages.evaluate(run, store, NOT_GIVEN))
    report, protocol = observe_report(store, run.evaluation_key), observe_protocol(store, run.evaluation_key)
    assert report is not None, "evaluate wrote it"
    assert protocol is not None, "and this beside it"
    write_report(store, report, protocol)
    process.say(render(report, run.spec.evaluation, _columns()))
    return 1 if arguments.fail_on_gate and not would_go_on(report, run.spec.evaluation) else 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """The evaluation of an artifact once more, from its files and the interactions."""
    if arguments.output is not None:
        refuse_unwritable("--output", arguments.output)
    found = again.evaluate_again(arguments.artifact, _uri(arguments.data), arguments.stable)
    if found.note:
        print(f"note: {found.note}", file=sys.stderr, flush=True)
    if arguments.output is not None:
        write_report(Store(f"file://{arguments.output.resolve()}"), found.report, found.protocol)
    process.say(render(found.report, found.spec.evaluation, _columns()))
    return 0


def _uri(place: str | None) -> str | None:
    """A folder of this machine as file://."""
    return place if place is None or "://" in place else f"file://{Path(place).resolve()}"


def run_compare(arguments: argparse.Namespace) -> int:
    """Two fits or artifacts side by side."""
    file: Path | None = arguments.json
    if file is not None and file.is_dir():
        raise ManifestError(f"--json {file}: is a folder; name a file")
    if file is not None:
        refuse_unwritable("the folder of --json", file.parent)
    found = compare_fits(arguments.first, arguments.second, _uri(arguments.data))
    if file is not None:
        write_json(Store(f"file://{file.resolve().parent}"), file.name, found)
    process.say(render_comparison(found, _columns()))
    return 0


def run_recommend(arguments: argparse.Namespace) -> int:
    """Answers for some users."""
    for each in recommend(arguments.artifact, arguments.user, arguments.seen, arguments.k):
        process.say(json.dumps(each.to_dict(), ensure_ascii=False) if arguments.json else render_answer(each))
    return 0


def _columns() -> int | None:
    """How wide standard output is, where it is a terminal."""
    return shutil.get_terminal_size((COLUMNS, 1)).columns if sys.stdout.isatty() else None


def write_report(store: Store, report: EvaluationReport, protocol: NcfProtocolReport) -> None:
    """report.json, and ncf-protocol.json and report.html beside it."""
    write_json(store, PROTOCOL, protocol)
    write_json(store, REPORT, report)
    store.write(PAGE, render_page(report, protocol).encode())


def _start_afresh(output: Path, run: RunSpec) -> None:
    """Remove the manifests of an earlier fit: the stages would report it again, whatever the manifest says now.

    A snapshot from the same files with the same settings stays, if nobody changed it: it would become the same.
    """
    with reading(str(output)):
        if not stages.is_prepared(run, Store(run.version_uri)):
            (output / SNAPSHOT).unlink(missing_ok=True)
        key = run.evaluation_key
        for name in (ARTIFACT, TRAINING, report_name(key), protocol_name(key), REPORT, PROTOCOL, PAGE):
            (output / name).unlink(missing_ok=True)


def _say(result: Result) -> None:
    """What a stage did, for machines; a person gets the table at the end."""
    if not sys.stderr.isatty():
        print(encode(result).decode(), file=sys.stderr, flush=True)


def _stable(folder: Path | None, output: Path) -> StableReference | None:
    if folder is None:
        return None
    if folder.resolve() == output.resolve():
        raise ManifestError(
            f"--stable {folder}: is --output too, and its artifact would be replaced; name another folder for one of them"
        )
    if (manifest := observe_artifact(Store(f"file://{folder.resolve()}"))) is None:
        raise ManifestError(f"--stable {folder}: has no complete {ARTIFACT}; name the output folder of an earlier fit")
    return again.stable_reference(folder, manifest.digest)


def run_job(arguments: argparse.Namespace) -> int:
    """One stage of a version. Only the pod of index 0 writes and reports; in a training the others take their share."""
    place = place_of_process()
    if arguments.command == "train" and (count := _processes(read_run_file())) > 1:
        return launched([sys.executable, "-m", "recsys_trainer.cli", "train"], count, place)
    if arguments.command == "train" and place.rank:
        return _assist_job(place)
    if os.environ.get("JOB_COMPLETION_INDEX", "0") != "0":
        print("not index 0: nothing to do")
        return 0
    run = read_run_file()
    if getattr(arguments, "key", None):
        run = run.model_copy(update={"evaluation_key": arguments.key})
    result = _run_stage(arguments, run, Store(run.version_uri), place)
    write_termination(result)
    process.say(encode(result).decode())
    return 0


def _processes(run: RunSpec) -> int:
    """Of this pod: one for each GPU where the family can use several."""
    several = run.spec.model.architecture in WITH_STEPS
    return processes_of_pod(run.spec.training.gpus_per_node) if several else 1


def _assist_job(place: Place) -> int:
    """The share of a training, unless it has ended: a pod may start again after that."""
    run = read_run_file()
    store = Store(run.version_uri)
    if observe_training(store) is None:
        stages.assist(run, store, place)
    return 0


def _run_stage(arguments: argparse.Namespace, run: RunSpec, store: Store, place: Place) -> Result:
    if arguments.command == "report":
        return stages.report_stage(arguments.stage, run, store)
    if arguments.command == "train":
        with published(lines(), port_of_pod(notes()), EVERYWHERE, notes()) as progress:
            return stages.train(run, store, progress, notes(), place)
    return stages.prepare(run, store) if arguments.command == "prepare" else stages.evaluate(run, store)


def run() -> NoReturn:
    """A command as a process."""
    process.run(main)


if __name__ == "__main__":
    run()
