"""One pod around a fake tritonserver and one around the real one; every test of this folder runs against both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys_serving.testing.artifacts import Made, Recipe, make, write
from recsys_serving.testing.fake_triton import lay_home
from recsys_serving.testing.install_triton import default_folder, install
from recsys_serving.testing.local_pod import LocalPod, running_pod


@pytest.fixture(scope="session")
def made() -> Made:
    """What both pods serve."""
    return make(Recipe(users=60, items=400))


@pytest.fixture(scope="session")
def store(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The artifact in a store, and its digest."""
    root = tmp_path_factory.mktemp("store") / "artifact"
    return root, write(made, root)


@pytest.fixture(scope="session", params=["fake", "real"])
def triton_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake tritonserver, then the real one (installed on first use)."""
    if request.param == "fake":
        return lay_home(tmp_path_factory.mktemp("fake") / "triton")
    return install(default_folder())


@pytest.fixture(scope="session")
def pod(triton_home: Path, store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPod]:
    """A ready pod."""
    folder = tmp_path_factory.mktemp("pod")
    env = {
        "RECSYS_TRITON_HOME": str(triton_home),
        "RECSYS_MODELS_DIR": str(folder / "models"),
        "RECSYS_ARTIFACT_URI": f"file://{store[0]}",
        "RECSYS_ARTIFACT_DIGEST": store[1],
        "RECSYS_VERSION": "movies-0123456789",
        "RECSYS_MODEL": "movies",
        "RECSYS_BUCKET_KEY": "ab" * 16,
        "RECSYS_TOKEN_KEY": "cd" * 16,
        "RECSYS_REQUEST_TIMEOUT_MILLISECONDS": "1000",
        "RECSYS_DRAIN_SECONDS": "2",
    }
    with running_pod(env, folder) as running:
        yield running
