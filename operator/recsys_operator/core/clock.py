"""Times as status writes them (RFC 3339, UTC, mostly whole seconds) and as core counts them (seconds since the epoch)."""

from datetime import UTC, datetime


def to_text(at: float) -> str:
    """RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_precise_text(at: float) -> str:
    """RFC 3339, milliseconds, UTC: for what is measured against other clocks."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def to_seconds(text: str, default: float = 0.0) -> float:
    """Seconds since the epoch; `default` for an empty or unreadable text."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else default
    except ValueError:
        return default
