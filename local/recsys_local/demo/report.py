"""The demo's report, from what observer and replay wrote: no figure in it comes from the operator itself."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]
RECOMMEND = "/v1/recommend"


def read_lines(path: Path) -> list[Line]:
    """All complete JSON lines of a file."""
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def started(access: Line) -> float:
    """When the gateway got the request, seconds since the epoch."""
    return _seconds(access["start_time"])


def version_of(access: Line) -> str | None:
    """The version that the gateway sent the request to."""
    for key in ("x_recsys_version_requested", "x_recsys_version"):
        if (value := access.get(key)) not in (None, "", "-"):
            return str(value)
    return None


def quantile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Report:
    """Joins timeline and replay."""

    def __init__(self, timeline: list[Line], replay: list[Line], *, threshold_milliseconds: float) -> None:
        self.routes = [line for line in timeline if line["kind"] == "route"]
        self.access = [line for line in timeline if line["kind"] == "access" and RECOMMEND in str(line.get("path"))]
        self.versions = {line["name"]: line for line in timeline if line["kind"] == "version"}
        self.replay, self.threshold = replay, threshold_milliseconds

    def build(self) -> Line:
        """The whole report as JSON-able data."""
        rollbacks = {name: self.rollback(name) for name in self.versions}
        return {
            "versions": [self.version(line) for line in sorted(self.versions.values(), key=lambda v: v["number"])],
            "rollbacks": {name: found for name, found in rollbacks.items() if found},
            "requests": self.requests(),
        }

    def requests(self) -> Line:
        """What users saw: sent, failed (no 2xx), lost (the gateway never answered)."""
        answered = {line.get("x_request_id") for line in self.access}
        failed = [line for line in self.replay if not 200 <= line["status"] < 300]
        lost = [line for line in self.replay if line["id"] not in answered and line["status"] == 0]
        return {"sent": len(self.replay), "failed": len(failed), "lost": len(lost)}

    def version(self, line: Line) -> Line:
        """One version with its offline and online figures."""
        answers = [entry for entry in self.replay if entry.get("version") == line["name"]]
        by_model = [entry for entry in answers if entry.get("source") == "Model"]
        served = [entry for entry in self.access if version_of(entry) == line["name"]]
        durations = [float(entry["duration"]) for entry in served]
        offline, baseline = line.get("offline") or {}, line.get("baseline") or {}
        return {
            "number": line["number"],
            "name": line["name"],
            "outcome": line["phase"],
            "reason": line.get("reason"),
            "offline": {"ndcg@10": offline.get("ndcg@10"), "popularity": baseline.get("ndcg@10")},
            "online": {
                "requests": len(served),
                "failed": sum(int(entry["response_code"]) >= 500 or not entry["response_code"] for entry in served),
                "p50Milliseconds": quantile(durations, 0.5),
                "p99Milliseconds": quantile(durations, 0.99),
                "answersOfTheModel": len(by_model),
                "answersWithAHit": sum(entry["hits"] > 0 for entry in by_model),
            },
        }

    def rollback(self, name: str) -> Line | None:
        """The three clocks of a rollback of this version by verdict, or None."""
        zero = next((r for r in self.routes if r["decision"].get("version") == name and _is_rollback(r, name)), None)
        if zero is None:
            return None
        raised = [r["at"] for r in self.routes if r["weights"].get(name, 0) > 0 and r["at"] < zero["at"]]
        ours = [line for line in self.access if version_of(line) == name]
        canary = [line for line in ours if raised and started(line) >= raised[0] - 1]
        bad = [started(line) for line in canary if self.is_bad(line) and started(line) < zero["at"]]
        until = next((r["at"] for r in self.routes if r["at"] > zero["at"] and r["weights"].get(name, 0) > 0), None)
        last = [started(line) for line in canary if until is None or started(line) < until]
        return {
            "reason": zero["decision"].get("reason"),
            "weightBefore": max((r["weights"].get(name, 0) for r in self.routes if r["at"] < zero["at"]), default=0),
            "verdictToZeroSeconds": round(zero["at"] - _seconds(zero["decision"]["at"]), 3),
            "breachToZeroSeconds": round(zero["at"] - bad[0], 3) if bad else None,
            "lastCandidateRequestSeconds": round(max(last) - zero["at"], 3) if last else None,
        }

    def is_bad(self, line: Line) -> bool:
        """Slower than the SLO's threshold or failed, as the gateway saw it."""
        return float(line["duration"]) > self.threshold or not 200 <= int(line["response_code"]) < 500


def _seconds(text: object) -> float:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()


def _is_rollback(route: Line, name: str) -> bool:
    verdict = str(route["decision"].get("verdict", ""))
    return route["weights"].get(name, 0) == 0 and verdict not in ("", "Advance", "Pass", "Promote")


def rollback_line(rollback: Line) -> str:
    """The clocks of a rollback as a sentence."""
    last = rollback["lastCandidateRequestSeconds"]
    after = "no request came after that" if last is None or last <= 0 else f"the last request {last:.2f} s later"
    breach = rollback["breachToZeroSeconds"]
    since = f", {breach:.1f} s after its first slow or failed answer" if breach is not None else ""
    return f"weight 0 {rollback['verdictToZeroSeconds']:.2f} s after the verdict{since}; {after}"


def table(report: Line) -> str:
    """The versions as text for a terminal."""
    head = f"{'#':>2}  {'version':<18} {'outcome':<12} {'NDCG@10 offline (popularity)':<32} {'requests':>8} {'p50 ms':>7} {'p99 ms':>8}"
    rows = [head, "-" * len(head)]
    for version in report["versions"]:
        offline, popularity = version["offline"]["ndcg@10"], version["offline"]["popularity"]
        text = "-"
        if offline:
            text = f"{offline['value']:.3f} [{offline['low']:.3f}, {offline['high']:.3f}]"
            text += f" ({popularity['value']:.3f})" if popularity else ""
        online = version["online"]
        rows.append(
            f"{version['number']:>2}  {version['name']:<18} {version['outcome']:<12} {text:<32} {online['requests']:>8} "
            f"{_number(online['p50Milliseconds']):>7} {_number(online['p99Milliseconds']):>8}"
        )
    return "\n".join(rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
