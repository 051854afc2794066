"""One pod around a fake tritonserver and one around the real one; every test of this folder runs against both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys_api.artifact import FoldIn
from recsys_serving.testing.artifacts import Made, Recipe, make, write
from recsys_serving.testing.fake_triton import lay_home
from recsys_serving.testing.install_triton import default_folder, install
from recsys_serving.testing.local_pod import LocalPod


@pytest.fixture(scope="session")
def made() -> Made:
    """What both pods serve."""
    return make(Recipe(users=60, items=400))


@pytest.fixture(scope="session")
def store(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The artifact in a store, and its digest."""
    root = tmp_path_factory.mktemp("store") / "artifact"
    return root, write(made, root)


@pytest.fixture(scope="session")
def pods(store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LocalPod]]:
    """Both pods, started together: the real one loads torch while the fake one is tested."""
    homes = {"fake": lay_home(tmp_path_factory.mktemp("fake") / "triton"), "real": install(default_folder())}
    started: dict[str, LocalPod] = {}
    try:
        for name, home in homes.items():
            started[name] = _start(home, store, tmp_path_factory.mktemp(f"{name}-pod"))
        yield started
    finally:
        for pod in started.values():
            pod.end()


@pytest.fixture(scope="session", params=["fake", "real"])
def pod(request: pytest.FixtureRequest, pods: dict[str, LocalPod]) -> LocalPod:
    """A ready pod around a fake tritonserver, then one around the real one (installed on first use)."""
    chosen = pods[request.param]
    chosen.wait_ready()
    return chosen


@pytest.fixture(scope="session")
def folding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalPod, Made]]:
    """A pod around the real tritonserver whose model folds unknown users in."""
    settings = FoldIn(kind="LeastSquares", unobserved_weight=0.1, regularization=0.02, exponent=0.7)
    made = make(Recipe(architecture="ImplicitALS", hidden=(), users=60, items=400, fold_in=settings))
    root = tmp_path_factory.mktemp("folding") / "artifact"
    pod = _start(install(default_folder()), (root, write(made, root)), tmp_path_factory.mktemp("folding-pod"))
    try:
        pod.wait_ready()
        yield pod, made
    finally:
        pod.end()


def _start(home: Path, store: tuple[Path, str], folder: Path) -> LocalPod:
    env = {
        "RECSYS_TRITON_HOME": str(home),
        "RECSYS_MODELS_DIR": str(folder / "models"),
        "RECSYS_ARTIFACT_URI": f"file://{store[0]}",
        "RECSYS_ARTIFACT_DIGEST": store[1],
        "RECSYS_VERSION": "movies-0123456789",
        "RECSYS_MODEL": "movies",
        "RECSYS_BUCKET_KEY": "ab" * 16,
        "RECSYS_TOKEN_KEY": "cd" * 16,
        "RECSYS_REQUEST_TIMEOUT_MILLISECONDS": "500",
        "RECSYS_DRAIN_SECONDS": "2",
    }
    return LocalPod(env, folder)
