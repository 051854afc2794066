"""`recsys-trainer`: `fit`, `evaluate --artifact`, `compare` and `recommend` on a machine; the others in the Jobs of a cluster."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from recsys_trainer.outputs import PAGE, PROTOCOL, REPORT
from recsys_trainer.snapshot_cache import CACHE_VARIABLE
from recsys_trainer.training_metrics import HIGHEST_PORT, parsed_port

VERBS = ("prepare", "train", "evaluate")
_AGAIN = ("data", "output", "stable")
"""What `evaluate` takes with --artifact only."""


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command and its options; wrong ones end the process with 2 and say what is right."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "evaluate":
        _refuse_ignored(parser, arguments)
    return arguments


def _refuse_ignored(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    given = [f"--{name}" for name in _AGAIN if getattr(arguments, name) is not None]
    if arguments.artifact is None and given:
        parser.error(f"evaluate: {given[0]} goes with --artifact; the Job reads its run file instead")
    if arguments.artifact is not None and arguments.key is not None:
        parser.error("evaluate: --key names the report of a Job; with --artifact give --output instead")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recsys-trainer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="prepare, train and evaluate a RecommenderModel manifest on this machine")
    fit.add_argument("-f", "--file", type=Path, required=True, help="manifest; file:// URIs are accepted here")
    fit.add_argument(
        "--output",
        type=_folder,
        required=True,
        help=f"folder for snapshot/, artifact/, reports/, {REPORT}, {PAGE}, {PROTOCOL}",
    )
    fit.add_argument(
        "--data", type=_place, help="folder or URI of the interactions, default: where the manifest says they are"
    )
    fit.add_argument("--stable", type=_folder, help="output folder of an earlier fit that gates compare with")
    kept = f"folder of prepared snapshots that fits share, default: ${CACHE_VARIABLE}, else none"
    fit.add_argument("--cache", type=_place, metavar="DIR", default=os.environ.get(CACHE_VARIABLE) or None, help=kept)
    gate = "exit with 1 where a gate fails, or is undecided and onUndecided is not Pass"
    fit.add_argument("--fail-on-gate", action="store_true", help=gate)
    port = "answer /metrics at this port of 127.0.0.1 while training; default: 0, none"
    fit.add_argument("--metrics-port", type=_port, default=0, metavar="N", help=port)
    for verb in VERBS:
        job = commands.add_parser(verb, help=f"the {verb} Job of a version, told by RECSYS_RUN_FILE")
        if verb == "evaluate":
            _add_evaluate(job)
    both = commands.add_parser("compare", help="two output folders of fit, or two artifacts, on the same users")
    both.add_argument("first", type=_folder, metavar="A", help="output folder of fit, or artifact")
    both.add_argument("second", type=_folder, metavar="B", help="the same; differences are B minus A")
    both.add_argument(
        "--data",
        type=_place,
        help="folder or URI of the interactions, split anew as A's manifest says; artifacts need it",
    )
    both.add_argument("--json", type=Path, metavar="FILE", help="file for the same figures, for machines")
    _add_recommend(commands.add_parser("recommend", help="the answers that serving gives from an artifact"))
    report = commands.add_parser("report", help="report the result of a finished stage again, from the store")
    report.add_argument("stage", choices=VERBS)
    return parser


def _port(text: str) -> int:
    if (port := parsed_port(text)) is None:
        raise argparse.ArgumentTypeError(f"{text} is no port; give a number up to {HIGHEST_PORT}, 0 for none")
    return port


def _place(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(
            "is empty, which would be the current folder; name a folder or URI, or leave it out"
        )
    return text


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError(
            "is empty, which would be the current folder; name a folder, or . for this one"
        )
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is a URI; name a folder of this machine")
    return Path(text)


def _add_evaluate(job: argparse.ArgumentParser) -> None:
    job.add_argument("--key", help="name of the evaluation, default: the run file's")
    job.add_argument("--artifact", type=_folder, help="evaluate this artifact again, here, whatever made it")
    job.add_argument(
        "--data", type=_place, help="with --artifact: folder or URI of the interactions, default: where they lay"
    )
    job.add_argument(
        "--stable", type=_folder, help="with --artifact: artifact or output folder of fit that gates compare with"
    )
    job.add_argument("--output", type=_folder, help=f"with --artifact: folder for {REPORT}, {PAGE}, {PROTOCOL}")


def _add_recommend(answers: argparse.ArgumentParser) -> None:
    answers.add_argument("--artifact", type=_folder, required=True, help="an artifact, or an output folder of fit")
    answers.add_argument("--user", action="append", required=True, metavar="ID", help="may be given several times")
    seen = "item that the user has had beside its history"
    answers.add_argument("--seen", action="append", default=[], metavar="ID", help=seen)
    answers.add_argument("-k", type=int, default=10, help="items for each user, default: %(default)s")
    answers.add_argument("--json", action="store_true", help="one JSON line for each user")
