"""What an image starts is there: a pod names its command, a person who runs the image does not."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[3] / "images"
STARTED = sorted(
    (path.parent.name, json.loads(found[1])[-1])
    for path in IMAGES.glob("*/Dockerfile")
    if (found := re.search(r'^ENTRYPOINT (\["python3", "-m", "\w+"\])$', path.read_text(), re.M))
)


def test_the_images_of_the_project_start_modules() -> None:
    assert [name for name, _ in STARTED] == ["operator", "serving", "trainer"]


@pytest.mark.parametrize(("image", "module"), STARTED)
def test_a_module_that_an_image_starts_can_be_started(image: str, module: str) -> None:
    assert importlib.util.find_spec(f"{module}.__main__") is not None
