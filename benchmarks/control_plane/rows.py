"""Measured figures -> rows. Peers named `anchor` were measured on another day on such a control plane; the loops in this run."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.control_plane.rollbacks import Rollback, quantile, quantile_interval

Row = dict[str, Any]
ARGO, FLAGGER = "Argo Rollouts, interval 1 s (anchor)", "Flagger (anchor)"


def row(
    name: str, unit: str, value: float, peer: str = "", peer_value: float | None = None, *,
    target: float | None = None, **more: Any,
) -> Row:  # fmt: skip
    """One line; `ok` says whether the target is met (True where there is none)."""
    ratio = round(peer_value / value, 2) if peer_value is not None and value else None
    return {
        "name": name, "unit": unit, "value": round(value, 4), "peer": peer, "peerValue": peer_value, "ratio": ratio,
        "atLeast": None, "target": target, "ok": target is None or value <= target, **more,
    }  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, Any]:
    """n, median, 99th percentile with its interval, maximum."""
    low, high = quantile_interval(values, 0.99)
    return {
        "n": len(values), "p50": round(quantile(values, 0.5), 4), "p99": round(quantile(values, 0.99), 4),
        "p99Interval": [round(low, 4), None if high is None else round(high, 4)], "max": round(max(values), 4),
        "samples": [round(value, 4) for value in values],
    }  # fmt: skip


def verdict_rows(ours: Sequence[Rollback], loop: Sequence[Rollback], where: str, target: float) -> list[Row]:
    """From the decision to weight 0, and from the last page that it can rest on."""
    if not ours:
        return []
    decided = [r.zero - r.decided for r in ours]
    pages = [r.zero - r.page for r in ours]
    peer, peer_value = "", None
    if loop:
        peer, peer_value = (
            "bare loop's patch, p99, this run",
            round(quantile([r.zero - r.decided for r in loop], 0.99), 4),
        )
    return [
        row(
            f"verdict to weight 0, p99, {where}", "s", quantile(decided, 0.99), peer, peer_value,
            target=target, **spread(decided),
        ),
        row(
            f"last metrics page to weight 0, p99, {where}", "s", quantile(pages, 0.99), target=target, **spread(pages)
        ),
    ]  # fmt: skip


def breach_rows(ours: Sequence[Rollback], loops: Mapping[float, Sequence[Rollback]], where: str) -> list[Row]:
    """From the first bad request to weight 0: ours waits for evidence, the loops do not."""
    if not ours:
        return []
    values = [r.zero - r.breach for r in ours]
    median, extra = quantile(values, 0.5), spread(values)
    name = f"breach to weight 0, median, {where}"
    found = [row(name, "s", median, ARGO, 0.93, **extra), row(name, "s", median, FLAGGER, 13.3, **extra)]
    for interval, rollbacks in loops.items():
        if rollbacks:
            theirs = [r.zero - r.breach for r in rollbacks]
            peer = f"1 % limit every {interval:g} s, no statistics, this run (n={len(theirs)})"
            found.append(row(name, "s", median, peer, round(quantile(theirs, 0.5), 4), **extra))
    worst = quantile(values, 0.99)
    return [*found, row(f"breach to weight 0, p99, {where}", "s", worst, target=8.0, **extra)]


def memory_rows(memory: Mapping[int, float]) -> list[Row]:
    """By number of models; the anchors are for 0, 100 and 1,000 objects."""
    anchors = {0: (70, 52), 100: (97, 71), 1000: (187, 124)}
    found = []
    for models, mib in memory.items():
        name = f"memory at {models} models"
        if models not in anchors:
            found.append(row(name, "MiB", mib))
            continue
        argo, flagger = anchors[models]
        found += [row(name, "MiB", mib, "Argo Rollouts (anchor)", argo), row(name, "MiB", mib, FLAGGER, flagger)]
    return found


def scaled_row(name: str, unit: str, value: float, models: int, anchors: Mapping[str, float], **more: Any) -> list[Row]:
    """Beside anchors for 1,000 objects: a ratio only where we have as many."""
    found = []
    for who, anchor in anchors.items():
        line = row(name, unit, value, f"{who} at 1,000 (anchor)", anchor, **more)
        found.append(line if models == 1000 else line | {"ratio": None})
    return found
