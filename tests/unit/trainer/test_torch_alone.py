"""Models, fitting, sampling and the GPU benchmark run where torch is all that there is."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from benchmarks.gpu import settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from recsys_api.spec.model import Model, Probabilistic
from recsys_api.spec.training import Loss, Optimizer, Training
from recsys_trainer.fitting.seeds import derived
from recsys_trainer.models.probabilistic_mf import Sigmas

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("torch_alone.py")


def test_a_step_needs_torch_and_the_standard_library_alone() -> None:
    sources = [str(ROOT / each) for each in ("operator", "trainer", ".")]
    run = subprocess.run([sys.executable, str(SCRIPT), *sources], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == "trained for 2 epochs"


@pytest.mark.parametrize("of_manifest", [Loss, Optimizer, Training, Model])
def test_the_benchmark_sets_what_a_manifest_could_set(of_manifest: type[BaseModel]) -> None:
    own = {each.name for each in fields(getattr(settings, of_manifest.__name__))}
    assert own <= set(of_manifest.model_fields)


def test_probabilistic_mf_has_the_defaults_of_the_manifest() -> None:
    assert vars(Sigmas()) == Probabilistic().model_dump()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8))
def test_seeds_are_those_of_numpy(numbers: list[int]) -> None:
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    assert derived(*numbers) == int(state >> np.uint64(1))
