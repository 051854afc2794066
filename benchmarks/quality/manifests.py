"""The committed settings: examples/quality/*.yaml."""

from pathlib import Path

from recsys_api.manifest import RecommenderModelManifest, parse_manifest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "quality"


def names(prefix: str) -> list[str]:
    """Of the manifests of one data set, in order."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}-*.yaml"))


def read(name: str) -> RecommenderModelManifest:
    """One of them."""
    return parse_manifest((FOLDER / f"{name}.yaml").read_text())
