"""What the operator costs: requests by the API server's audit log, CPU and memory by /proc, its own histograms."""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

READS = frozenset({"get", "list", "watch"})
OTHERS = ("bench-", "kubectl", "kube-apiserver")
"""User agents that are not the operator."""
_SAMPLE = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_BOUND = re.compile(r'le="([^"]+)"')


def rss_mib(pid: int) -> float:
    """Resident memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


def cpu_seconds(pid: int) -> float:
    """CPU time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Audit:
    """Reads the audit log on from where it was."""

    path: Path
    offset: int = 0

    def skip(self) -> None:
        """Forget what is there."""
        self.offset = self.path.stat().st_size

    def requests(self) -> Counter[tuple[str, str]]:
        """(verb, resource) of the operator's requests since the last look."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        found: Counter[tuple[str, str]] = Counter()
        for line in whole.splitlines():
            event = json.loads(line)
            if not str(event.get("userAgent", "")).startswith(OTHERS):
                found[event["verb"], event.get("objectRef", {}).get("resource", "")] += 1
        return found


def writes(requests: Mapping[tuple[str, str], int]) -> int:
    """Writes among them, those of the Lease apart."""
    return sum(count for (verb, what), count in requests.items() if verb not in READS and what != "leases")


def buckets(page: str, name: str) -> Counter[float]:
    """Cumulative counts by upper bound of a histogram, its labels summed."""
    found: Counter[float] = Counter()
    for metric, labels, value in _SAMPLE.findall(page):
        if metric == f"{name}_bucket" and (bound := _BOUND.search(labels)):
            found[float(bound[1])] += int(float(value))
    return found


def gauge(page: str, name: str) -> float:
    """A gauge without labels."""
    return next(float(value) for metric, _, value in _SAMPLE.findall(page) if metric == name)


def quantile_bound(counts: Mapping[float, int], share: float) -> float:
    """Upper bound of the bucket that holds the quantile: the true value is at most this."""
    total = max(counts.values(), default=0)
    return next((bound for bound in sorted(counts) if total and counts[bound] >= share * total), 0.0)
