"""`make demo`: the whole story on a real Kubernetes on this machine; exit status 0 only if every line came true."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from recsys_local.demo import story
from recsys_local.demo.api import Api
from recsys_local.demo.data import fetch_ml100k, read_interactions, visitors, write_parquet
from recsys_local.demo.install import (
    cache_folder,
    cluster_up,
    endpoints,
    install_chart,
    kill_operator,
    make_bucket,
    make_namespace,
    put_file,
)
from recsys_local.demo.report import Report, read_lines, rollback_line, table
from recsys_local.demo.stage import MODEL, NAMESPACE, Kubectl, Manifests, Narrator, Stage, observing, replaying

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / ".local" / "demo"
REPORT = ROOT / ".local" / "demo-report.json"
THRESHOLD_MILLISECONDS = 100.0


def prepare(narrator: Narrator) -> Stage:
    """Cluster, chart, data."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    narrator.chapter("A real Kubernetes on this machine")
    if not narrator.tell("the cluster runs, with Envoy Gateway and an S3 server", cluster_up):
        raise SystemExit(1)
    kubectl = Kubectl(endpoints().kubeconfig)
    stage = Stage(Api(endpoints().kubeconfig), kubectl)
    narrator.tell("our chart is installed by helm, the operator is ready", lambda: install_chart(kubectl))
    narrator.tell("ML-100K lies in the S3 server", lambda: _data(kubectl))
    return stage


def _data(kubectl: Kubectl) -> str:
    rows = read_interactions(fetch_ml100k(cache_folder() / "data"))
    write_parquet(rows, HOME / "ml-100k" / "interactions.parquet")
    truth = visitors(rows)
    (HOME / "users.json").write_text(json.dumps({user: sorted(items) for user, items in truth.items()}))
    make_namespace(kubectl, NAMESPACE)
    put_file(HOME / "ml-100k" / "interactions.parquet", "s3://lake/ml-100k/interactions.parquet")
    make_bucket("models")
    return f"{len(rows):,} interactions, {len(truth)} users"


def tell(narrator: Narrator, stage: Stage) -> None:
    """All chapters."""
    manifests = Manifests(HOME / "gitops", ROOT / "examples" / "movies.yaml")
    with observing(stage.kubectl.kubeconfig, NAMESPACE, HOME / "timeline.jsonl"):
        story.first_version(narrator, stage, manifests)
        if narrator.broken:
            return
        with replaying(stage, f"{endpoints().gateway}/{MODEL}", HOME / "users.json", HOME / "replay.jsonl"):
            story.wider_version(narrator, stage, manifests, lambda: kill_operator(stage.kubectl))
            if narrator.broken:
                return
            story.slow_version(narrator, stage, manifests, number=3, limit="150m", seed=0)
            story.slow_version(narrator, stage, manifests, number=4, limit=None, seed=1)
            story.by_hand(narrator, stage, manifests)


def finish(narrator: Narrator) -> None:
    """The table, the report file, and what was not true."""
    timeline, replay = HOME / "timeline.jsonl", HOME / "replay.jsonl"
    if timeline.exists() and replay.exists():
        report = Report(read_lines(timeline), read_lines(replay), threshold_milliseconds=THRESHOLD_MILLISECONDS).build()
        narrator.chapter("What an observer saw from outside")
        print(table(report))
        for name, rollback in story.by_verdict(report).items():
            print(f"    {name}: {rollback_line(rollback)}")
        requests = report["requests"]
        print(f"    requests: {requests['sent']} sent, {requests['failed']} failed, {requests['lost']} lost")
        narrator.tell("no request was lost", lambda: _none(requests["lost"], "lost requests"))
        story.check_report(narrator, report)
        report["rollback"] = next(iter(story.by_verdict(report).values()), None)
        report["story"] = narrator.lines
        REPORT.write_text(json.dumps(report, indent=2) + "\n")
        print(f"    written to {REPORT.relative_to(ROOT)}")
    for line in narrator.broken:
        print(f"NOT TRUE: {line}", file=sys.stderr)


def _none(count: int, what: str) -> None:
    assert count == 0, f"{count} {what}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Tell the story of four versions on a real Kubernetes.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    narrator = Narrator()
    try:
        tell(narrator, prepare(narrator))
        finish(narrator)
    except KeyboardInterrupt:
        narrator.broken.append("interrupted")
    finally:
        if options.keep:
            print(f"    the cluster goes on: export KUBECONFIG={endpoints().kubeconfig}; `make down` ends it")
        else:
            subprocess.run([sys.executable, "-m", "recsys_local", "down"], check=False, env=dict(os.environ))
    raise SystemExit(1 if narrator.broken else 0)


if __name__ == "__main__":
    main()
