"""A fit on more data repeats the one that chose its epochs: the same parts of training, step sizes and numbers of epochs."""

import pytest
import torch
from tests.unit.trainer.conftest import spec
from tests.unit.trainer.test_families import ALL, data_for, model, questions, training

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.model import WITH_STEPS
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.fit import fit
from recsys_trainer.fitting.task import Fitted
from recsys_trainer.progress import silent
from recsys_trainer.training import fit_snapshot

STEP_SIZES = {"learningRate": 0.02, "schedule": "Linear"}


def chosen_and_repeated(family: str, **pretraining: object) -> tuple[Fitted, Fitted]:
    """A fit that validation stopped, and one on the same data that is told its epochs."""
    changes = {"optimizer": STEP_SIZES} if family in WITH_STEPS else {}
    settings, positives = training(family, epochs=60, patience=4, **changes), data_for(family)
    shape = model(family, **pretraining)
    found = fit(shape, settings, positives, questions(positives), "cpu")
    return found, fit(shape, settings, positives, None, "cpu", chosen=found.chosen)


def assert_same(found: Fitted, repeated: Fitted) -> None:
    assert repeated.chosen == found.chosen
    assert len(repeated.refit or repeated.history) == found.best_epoch
    assert all(torch.equal(repeated.weights[name], found.weights[name]) for name in found.weights)


@pytest.mark.parametrize("family", ALL)
def test_a_fit_that_is_told_its_epochs_ends_with_the_weights_that_were_best(family: str) -> None:
    found, repeated = chosen_and_repeated(family)
    assert found.best_epoch < 60, "otherwise nothing is shown"
    assert_same(found, repeated)


def test_each_branch_of_neumf_repeats_its_own_epochs() -> None:
    found, repeated = chosen_and_repeated("NeuMF", pretraining={"epochs": 50})
    assert max(found.before) < 50, "otherwise nothing is shown"
    assert len(found.chosen) == 3
    assert_same(found, repeated)


def test_the_refit_takes_the_step_sizes_of_the_fit_that_chose_its_epochs(snapshot: Snapshot) -> None:
    """A schedule that ends with the best epoch would anneal weights that were best before they were annealed."""
    settings = {"training.refit": "TrainPlusValidation", "training.epochs": 12, "training.optimizer": STEP_SIZES}
    asked = RecommenderModelSpec.model_validate(spec("s3://lake/", **settings))
    everything, refitted = fit_snapshot(asked, snapshot, "cpu", silent)
    assert refitted.best_epoch < 12, "otherwise nothing is shown"
    expected = fit(asked.model, asked.training, everything, None, "cpu", chosen=refitted.chosen)
    assert_same(expected, refitted)
    assert refitted.history[-1]["epoch"] == refitted.epochs > refitted.best_epoch, "what chose them is still told"
    assert [each["epoch"] for each in refitted.refit] == list(range(1, refitted.best_epoch + 1))
