"""The networks of Neural Collaborative Filtering, and the loop that trains them."""

import numpy as np
import pytest
import torch

from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.device import torch_settings
from recsys_trainer.errors import DataError, DivergedError, OutOfMemoryError
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Pairs, Questions, rank
from recsys_trainer.fit import fit
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.losses import BinaryCrossEntropy
from recsys_trainer.models import base, blocks
from recsys_trainer.models.gmf import GMF
from recsys_trainer.models.mlp import MLP
from recsys_trainer.models.neumf import NeuMF
from recsys_trainer.progress import EpochProgress
from recsys_trainer.training_data import Positives

NETWORKS = {"GMF": GMF, "MLP": MLP, "NeuMF": NeuMF}
FAMILIES = sorted(NETWORKS)
NAMES = {
    "GMF": {"gmf_user", "gmf_item", "out.weight", "out.bias"},
    "MLP": {
        "mlp_user",
        "mlp_item",
        "mlp.0.weight",
        "mlp.0.bias",
        "mlp.1.weight",
        "mlp.1.bias",
        "out.weight",
        "out.bias",
    },
}
NAMES["NeuMF"] = NAMES["GMF"] | NAMES["MLP"]


def model(family: str, **changes: object) -> Model:
    return Model.model_validate({"architecture": family, "embeddingDim": 8, "hiddenLayers": [16, 8], **changes})


def two_tastes(users: int = 40, items: int = 30) -> Positives:
    """Even users know 10 of the even items, odd users 10 of the odd ones; the other 5 are the answer."""
    random = np.random.default_rng(0)
    rows = [np.sort(random.choice(np.arange(user % 2, items, 2), 10, replace=False)) for user in range(users)]
    indptr = np.arange(users + 1, dtype=np.int64) * 10
    names = np.arange(users, dtype=np.int32), np.arange(items, dtype=np.int32)
    return Positives(*names, indptr, np.concatenate(rows).astype(np.int32), 0)


def answers(positives: Positives) -> Questions:
    """The items of each user's taste that the training does not have."""
    users = np.repeat(np.arange(positives.users), 10)
    seen = Pairs.ordered(users, positives.indices.astype(np.int64))
    known = set(zip(users.tolist(), positives.indices.tolist(), strict=True))
    wanted = [
        (user, item)
        for user in range(positives.users)
        for item in range(user % 2, positives.items, 2)
        if (user, item) not in known
    ]
    pairs = Pairs.ordered(*(np.array(column, dtype=np.int64) for column in zip(*wanted, strict=True)))
    return Questions(np.arange(positives.users), seen, pairs, np.full(positives.users, 5))


def training(**changes: object) -> Training:
    base = {"epochs": 40, "batchSize": 200, "optimizer": {"learningRate": 0.02}, "patience": 40}
    return Training.model_validate({**base, **changes})


@pytest.mark.parametrize("family", FAMILIES)
def test_it_finds_the_taste_that_the_data_was_made_with(family: str) -> None:
    positives = two_tastes()
    fitted = fit(model(family), training(), positives, answers(positives), "cpu")
    assert set(fitted.weights) == NAMES[family]
    assert max(entry["ndcg@10"] for entry in fitted.history) > 0.9
    network = NETWORKS[family](positives.users, positives.items, model(family))
    network.load_state_dict(fitted.weights)
    ranks = rank(answers(positives), NetworkScorer(network.eval(), positives.items, "cpu"))
    found = float(metric_values(ranks, (10,))["ndcg@10"].mean())
    assert found == pytest.approx(max(entry["ndcg@10"] for entry in fitted.history)), "the best epoch is kept"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_bits(family: str) -> None:
    positives, settings = two_tastes(), training(epochs=2, seed=3)
    weights = []
    for seed in (3, 3, 4):
        with torch_settings(settings):
            weights.append(
                fit(
                    model(family, dropout=0.2), settings.model_copy(update={"seed": seed}), positives, None, "cpu"
                ).weights
            )
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layers", [[], [4], [16, 8]])
def test_scoring_chosen_items_equals_scoring_the_catalogue(family: str, layers: list[int]) -> None:
    network = NETWORKS[family](5, 7, model(family, hiddenLayers=layers)).eval()
    users, items = torch.tensor([4, 0, 2]), torch.tensor([[1, 6], [0, 3], [5, 5]])
    catalogue = network(users, torch.arange(7))
    torch.testing.assert_close(network(users, items), catalogue.gather(1, items))


def test_gmf_starts_as_plain_matrix_factorization() -> None:
    network = GMF(5, 7, model("GMF"))
    with torch.no_grad():
        products = network.gmf_user @ network.gmf_item.T + network.out.bias
    torch.testing.assert_close(network(torch.arange(5), torch.arange(7)).detach(), products)


def test_training_stops_after_patience_epochs_without_gain() -> None:
    positives = two_tastes()
    told: list[EpochProgress] = []
    fitted = fit(model("GMF"), training(patience=2, epochs=200), positives, answers(positives), "cpu", told.append)
    assert fitted.epochs == fitted.best_epoch + 2 == len(told)


def test_a_loss_that_is_no_number_ends_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BinaryCrossEntropy, "of_scores", lambda self, scores: scores.sum() * torch.nan)
    with pytest.raises(DivergedError, match=r"epoch 1 is nan; lower training.optimizer.learningRate"):
        fit(model("GMF"), training(), two_tastes(), None, "cpu")


def test_users_who_know_everything_cannot_be_trained_on() -> None:
    everything = Positives(
        np.arange(2, dtype=np.int32),
        np.arange(2, dtype=np.int32),
        np.array([0, 2, 4]),
        np.array([0, 1, 0, 1], np.int32),
        0,
    )
    with pytest.raises(DataError, match="all 2 items"):
        fit(model("GMF"), training(), everything, None, "cpu")


def test_tables_that_cannot_fit_are_refused_with_both_numbers() -> None:
    huge = Positives(
        np.zeros(2_000_000_000 // 4096, dtype=np.int32), np.zeros(1_000_000, dtype=np.int32), np.zeros(1, np.int64),
        np.zeros(0, np.int32), 0,
    )  # fmt: skip
    with pytest.raises(OutOfMemoryError, match=r"need [\d,]+ MiB to train and [\d,]+ MiB are free"):
        fit(model("NeuMF", embeddingDim=4096), training(), huge, None, "cpu")


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("layers", [[16], [8, 16]])
@pytest.mark.parametrize("users", [1, 5, 13])
def test_hidden_layers_are_scored_in_blocks_with_the_same_result(
    users: int, layers: list[int], batch_norm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks that users and items fill, and the remainders of both."""
    shape = Model(architecture="NeuMF", embedding_dim=4, hidden_layers=layers, batch_norm=batch_norm)
    network = NeuMF(13, 50, shape)
    network(torch.arange(13), torch.randint(50, (13, 9)))  # batch norms have seen something
    network.eval()
    row, catalogue = torch.arange(users), torch.arange(50)
    whole = network(row, catalogue)
    monkeypatch.setattr(blocks, "BLOCK_USERS", 4)
    monkeypatch.setattr(blocks, "BLOCK_VALUES", 16 * 4 * 7)
    with torch.no_grad():
        torch.testing.assert_close(network(row, catalogue), whole)


def test_a_catalogue_is_scored_in_slices_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NeuMF(3, 50, Model(architecture="NeuMF", embedding_dim=4, hidden_layers=(16, 8))).eval()
    users, catalogue = torch.arange(3), torch.arange(50)
    whole = network(users, catalogue)
    monkeypatch.setattr(base, "MEMORY_VALUES", 3 * 16 * 7)
    torch.testing.assert_close(base.catalogue_logits(network, users, catalogue), whole)
