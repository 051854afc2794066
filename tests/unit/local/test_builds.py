"""What is built, from which pins, under which name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recsys_local import binaries, image_specs, images, requirements
from recsys_local.errors import LocalError
from recsys_local.paths import Cache

KUBERNETES = binaries.COMPONENTS[0]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    shutil.copytree(binaries.MODULES / "kubernetes", tmp_path / "kubernetes")
    return tmp_path


@pytest.mark.parametrize("component", binaries.COMPONENTS, ids=lambda component: component.name)
def test_every_component_has_pins_tools_and_a_version(component: binaries.Component) -> None:
    go_mod = (binaries.MODULES / component.name / "go.mod").read_text()
    assert binaries.tools_of(go_mod)
    assert binaries.module_version(component, go_mod).startswith("v")
    assert (binaries.MODULES / component.name / "go.sum").stat().st_size > 0


def test_tools_are_read_in_both_spellings() -> None:
    assert binaries.tools_of("tool a/b\n\ntool (\n\tc/d // why\n\te/f\n)\nrequire x/y v1\n") == ["a/b", "c/d", "e/f"]


def test_a_module_that_go_mod_does_not_require_is_an_error() -> None:
    with pytest.raises(LocalError, match="does not require"):
        binaries.module_version(KUBERNETES, "module x\n")


def test_the_version_reaches_the_binaries() -> None:
    linker = binaries.build_flags(KUBERNETES, "v1.37.2")[-1]
    assert "version.gitVersion=v1.37.2" in linker
    assert "version.gitMinor=37" in linker


def test_a_changed_checksum_gives_a_new_key(modules: Path) -> None:
    before = binaries.component_key(KUBERNETES, modules)
    with (modules / "kubernetes" / "go.sum").open("a") as handle:
        handle.write("example.com/x v1.0.0 h1:abc=\n")
    assert binaries.component_key(KUBERNETES, modules) != before


def test_the_first_image_is_built_from_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(images, "run", lambda command, **options: commands.append(command))
    images.Buildah(Cache(tmp_path / "cache")).build(image_specs.IMAGES["pause"], tmp_path)
    mounted = [option.split("=")[1].split(":")[0] for option in commands[0] if option.startswith("--volume=")]
    assert mounted
    assert all(Path(folder).is_dir() for folder in mounted)


def test_the_operator_never_gets_torch() -> None:
    assert not any(line.startswith("torch") for line in requirements.of_extra("operator"))


def test_trainer_and_serving_share_their_torch_layer() -> None:
    layer = requirements.of_torch_layer()
    assert [line.split("==")[0] for line in layer] == ["numpy", "safetensors", "torch"]
    assert image_specs.IMAGES["trainer"].parent == image_specs.IMAGES["serving"].parent == "torch"


def test_different_torch_pins_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = []\noptional-dependencies = {trainer = ["torch==1"], serving = ["torch==2"]}\n'
    )
    with pytest.raises(LocalError, match="share one torch layer"):
        requirements.of_torch_layer(tmp_path)


def test_parents_are_built_before_their_children() -> None:
    names = list(image_specs.IMAGES)
    for image in image_specs.IMAGES.values():
        if image.parent:
            assert names.index(image.parent) < names.index(image.name)


def test_every_image_has_a_dockerfile_and_a_content_tag() -> None:
    for image in image_specs.IMAGES.values():
        assert (image.folder / "Dockerfile").exists()
        assert len(image.reference.rsplit(":", 1)[1]) == 12


def test_the_trainer_gets_torchrec_without_its_dependencies() -> None:
    image = image_specs.IMAGES["trainer"]
    assert image.requires is not None
    assert image.alone is not None
    assert not any(line.startswith("torchrec") for line in image.requires())
    assert {"torchrec", "fbgemm-gpu-cpu", "tensordict"} <= {line.split("==")[0] for line in image.alone()}
    assert "--no-deps --requirement /etc/recsys/alone.txt" in (image.folder / "Dockerfile").read_text()
