"""`python -m recsys_local`: the cluster on this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from recsys_local import components, s3
from recsys_local.binaries import ensure_binaries
from recsys_local.cluster import Cluster, exclusive
from recsys_local.debian import ensure_packages
from recsys_local.errors import LocalError
from recsys_local.image_specs import IMAGES, references
from recsys_local.images import ensure_images
from recsys_local.network import inside
from recsys_local.paths import Cache, State
from recsys_local.ports import forwards
from recsys_local.shell import say

_PASSED_ON = ("kubectl", "exec-net")
"""Commands whose arguments are another program's: argparse must not read them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors of ours are one line each and exit code 1."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    cluster = Cluster(Cache.default(), State.default())
    try:
        if words and words[0] in _PASSED_ON:
            return _pass_on(cluster, words[0], words[1:])
        return _run(cluster, _parser().parse_args(words))
    except LocalError as error:
        for line in str(error).splitlines():
            say(f"recsys_local: {line}")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recsys_local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="build what is missing and start the cluster")
    up.add_argument("--without-s3", action="store_true", help="no S3 server inside the cluster")
    up.add_argument("--quiet", action="store_true", help="only what takes long, not what runs afterwards")
    commands.add_parser("down", help="end the cluster and remove its state")
    commands.add_parser("status", help="what runs, and how to reach it")
    build = commands.add_parser("build", help="build binaries and images without starting anything")
    build.add_argument("what", nargs="?", choices=("binaries", "images"), help="only one of the two")
    load = commands.add_parser("load", help="build images from the current sources and load them into the cluster")
    load.add_argument("image", nargs="+", choices=sorted(IMAGES))
    commands.add_parser("images", help="print the current sources' image references as JSON")
    logs = commands.add_parser("logs", help="print the log of a process of the cluster")
    logs.add_argument("component", choices=components.NAMES)
    store = commands.add_parser("s3", help="the cluster's S3 server from outside")
    actions = store.add_subparsers(dest="action", required=True)
    actions.add_parser("env", help="print environment variables for S3 clients")
    bucket = actions.add_parser("create-bucket")
    bucket.add_argument("name")
    put = actions.add_parser("upload", help="upload a file or folder to s3://bucket/prefix")
    put.add_argument("source", type=Path)
    put.add_argument("uri")
    commands.add_parser("kubectl", help="kubectl with the cluster's kubeconfig (arguments are passed on)")
    commands.add_parser("exec-net", help="run a command inside the cluster's network (arguments are passed on)")
    return parser


def _run(cluster: Cluster, options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            cluster.up(with_s3=not options.without_s3)
            if not options.quiet:
                _print_status(cluster)
        case "down":
            cluster.down()
        case "status":
            return _print_status(cluster)
        case "build":
            _build(cluster, options.what)
        case "load":
            _load(cluster, options.image)
        case "images":
            print(json.dumps(references(), indent=2))
        case "logs":
            return _print_log(cluster, options.component)
        case "s3":
            _s3(cluster, options)
    return 0


def _build(cluster: Cluster, what: str | None) -> None:
    with exclusive(cluster.cache):
        if what is None:
            cluster.build()
            return
        ensure_packages(cluster.cache.root / "logs" / "apt.log")
        ensure_binaries(cluster.cache)
        if what == "images":
            ensure_images(cluster.cache)


def _load(cluster: Cluster, names: list[str]) -> None:
    with exclusive(cluster.cache):
        ensure_images(cluster.cache, names)
        cluster.runtime.load([IMAGES[name] for name in names])
    print(json.dumps({name: IMAGES[name].reference for name in names}))


def _print_status(cluster: Cluster) -> int:
    running = cluster.running()
    for name, alive in running.items():
        print(f"{name:20} {'running' if alive else 'not running'}")
    if not all(running.values()):
        return 1
    for forward in forwards():
        print(f"{forward.name:20} 127.0.0.1:{forward.port}")
    print(f"{'kubeconfig':20} {cluster.state.kubeconfig}")
    return 0


def _print_log(cluster: Cluster, name: str) -> int:
    path = cluster.state.logs / f"{name}.log"
    if not path.exists():
        raise LocalError(f"{name} has no log yet: {path}")
    sys.stdout.write(path.read_text(errors="replace"))
    return 0


def _s3(cluster: Cluster, options: argparse.Namespace) -> None:
    if options.action == "env":
        for name, value in s3.environment(cluster).items():
            print(f"export {name}={value}")
    elif options.action == "create-bucket":
        s3.create_bucket(cluster, options.name)
    else:
        print(f"{s3.upload(cluster, options.source, options.uri)} files uploaded")


def _pass_on(cluster: Cluster, command: str, words: list[str]) -> int:
    if not all(cluster.running().values()):
        raise LocalError("the cluster is not running: run `python -m recsys_local up`")
    env = cluster.env
    if command == "kubectl":
        os.execvpe("kubectl", ["kubectl", *words], env)
    if not words:
        raise LocalError("exec-net needs a command")
    within = inside(cluster.state, words)
    os.execvpe(within[0], within, {**env, "KUBECONFIG": str(cluster.state.kubeconfig_inside)})
