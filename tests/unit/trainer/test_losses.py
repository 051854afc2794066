"""Losses against their definitions, and what they may never draw."""

import numpy as np
import pytest
import torch
from tests.unit.trainer.test_families import ITEMS, USERS, exported_model, model, questions, training, two_tastes

from recsys_api.spec.model import Model, Pretraining
from recsys_api.spec.training import Training
from recsys_serving.scoring import Scorer
from recsys_serving.seen import SeenLists
from recsys_trainer.artifact.export import artifact_model
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import rank
from recsys_trainer.fit import fit
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.loss_settings import CATALOGUE_SCORES
from recsys_trainer.fitting.losses import Batch, build_loss
from recsys_trainer.fitting.optimizers import rate_of
from recsys_trainer.fitting.pairs import TrainingPairs, TrainingUsers
from recsys_trainer.fitting.task import Task
from recsys_trainer.models.dot import DotProduct
from recsys_trainer.models.gmf import GMF
from recsys_trainer.models.mlp import MLP
from recsys_trainer.models.neumf import Branch, NeuMF, training_alone
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.negatives import KnownPairs, PopularitySampler
from recsys_trainer.training_data import Positives

DOT_LOSSES = ("BCE", "BPR", "SampledSoftmax", "CosineContrastive", "CrossEntropy")
NETWORK_LOSSES = ("BCE", "BPR", "SampledSoftmax")
CHOICES = [("MatrixFactorization", loss) for loss in DOT_LOSSES] + [
    (family, loss) for family in ("GMF", "MLP", "NeuMF") for loss in NETWORK_LOSSES
]


@pytest.mark.parametrize(("family", "loss"), CHOICES)
def test_every_loss_finds_the_taste(family: str, loss: str) -> None:
    positives, asked = two_tastes(), questions(two_tastes())
    settings = {"type": loss} if loss == "CrossEntropy" else {"type": loss, "negatives": 16}
    found = fit(model(family), training(family, loss=settings), positives, asked, "cpu")
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    with torch.no_grad():
        ranks = rank(asked, NetworkScorer(network, ITEMS, "cpu"))
    assert float(metric_values(ranks, (10,))["ndcg@10"].mean()) > 0.9


@pytest.mark.parametrize("family", ["MatrixFactorization", "GMF", "NeuMF"])
def test_in_batch_negatives_find_the_taste(family: str) -> None:
    positives, asked = two_tastes(), questions(two_tastes())
    settings = {"type": "SampledSoftmax", "sampling": "InBatch"}
    found = fit(model(family), training(family, loss=settings, batchSize=100), positives, asked, "cpu")
    assert max(entry["ndcg@10"] for entry in found.history) > 0.9


def task(loss: dict[str, object]) -> Task:
    positives = two_tastes()
    settings = Training.model_validate({"loss": loss})
    asked = Model(architecture="MatrixFactorization", embedding_dim=4, similarity="Dot")
    return Task(asked, settings, positives, None, "cpu")


def network() -> DotProduct:
    generator = torch.Generator().manual_seed(5)
    return DotProduct(*(torch.randn(rows, 4, generator=generator) for rows in (USERS, ITEMS)))


def batch(seed: int = 0) -> Batch:
    positives = two_tastes()
    users = torch.arange(USERS)
    first = torch.from_numpy(positives.indices[positives.indptr[:-1]].astype(np.int64))
    return Batch(users, first, None, torch.Generator().manual_seed(seed))


def test_cross_entropy_leaves_the_users_other_positives_out() -> None:
    found, scores = build_loss(task({"type": "CrossEntropy", "temperature": 2.0}))(network(), batch()), []
    positives, all_scores = two_tastes(), network()(torch.arange(USERS), torch.arange(ITEMS)) / 2
    for user in range(USERS):
        own = positives.indices[positives.indptr[user] : positives.indptr[user + 1]].tolist()
        rest = [item for item in range(ITEMS) if item not in own[1:]]
        scores.append(torch.logsumexp(all_scores[user, rest], 0) - all_scores[user, own[0]])
    torch.testing.assert_close(found, torch.stack(scores).mean())


def test_cross_entropy_is_the_same_for_users_with_all_they_did_as_pair_by_pair() -> None:
    """Each user is scored once, whatever the batch has of it."""
    loss, model, positives = build_loss(task({"type": "CrossEntropy"})), network(), two_tastes()
    pairs = TrainingPairs.of(positives, "cpu")
    user_P, item_P, _ = pairs.take(torch.arange(len(pairs)))
    generator = torch.Generator()
    each = [loss(model, Batch(user_P[[row]], item_P[[row]], None, generator)) for row in range(len(user_P))]
    order = torch.randperm(len(user_P), generator=generator.manual_seed(3))
    whole = loss(model, Batch(user_P[order], item_P[order], None, generator))
    torch.testing.assert_close(whole, torch.stack(each).mean())


def test_steps_over_users_take_every_pair_once() -> None:
    """Of four users with 2, 0, 3 and all 5 items the second has nothing to give and the last nothing to be compared with."""
    indptr, indices = np.array([0, 2, 2, 5, 10]), np.array([1, 4, 0, 1, 3, 0, 1, 2, 3, 4], dtype=np.int32)
    rows = np.arange(5, dtype=np.int32)
    users = TrainingUsers.of(Positives(rows[:4], rows, indptr, indices, 0), "cpu")
    assert (len(users), users.count) == (2, 5)
    user_B, item_B, rating_B = users.take(torch.tensor([1, 0]))
    assert user_B.tolist() == [2, 2, 2, 0, 0]
    assert item_B.tolist() == [0, 1, 3, 1, 4]
    assert rating_B is None
    assert sorted(users.order(seed=0, epoch=1).tolist()) == [0, 1]


def test_steps_over_users_have_about_as_many_pairs_as_asked_for() -> None:
    loss = build_loss(task({"type": "CrossEntropy"}))
    assert loss.by_user
    assert loss.units_of_a_step(5, pairs_of_a_unit=2.5) == 2
    assert loss.units_of_a_step(1, pairs_of_a_unit=2.5) == 1
    assert loss.units_of_a_step(10**9, pairs_of_a_unit=2.5) == CATALOGUE_SCORES // ITEMS


@pytest.mark.parametrize("optimizer", ["Adam", "RowWiseAdagrad"])
@pytest.mark.parametrize(
    ("family", "loss"), [*CHOICES[:2], CHOICES[4], ("GMF", "BCE"), ("MLP", "BPR"), ("NeuMF", "BCE")]
)
def test_regularization_keeps_tables_small(family: str, loss: str, optimizer: str) -> None:
    settings = training(family, loss={"type": loss}, optimizer={"type": optimizer, "learningRate": 0.1})
    products = {"similarity": "Dot"} if family == "MatrixFactorization" else {}
    free, held = (
        fit(model(family, **products, **given), settings, two_tastes(), None, "cpu").weights
        for given in ({"regularization": 0}, {"regularization": 0.5})
    )
    for found in (free, held):
        if "gmf_user" in found:  # it is held together with the weights of its factors
            found["gmf_user"] = found["gmf_user"] * found["out.weight"][0, : found["gmf_user"].shape[1]]
    tables = [name for name in free if "user" in name or "item" in name]
    assert all(held[name].norm() < 0.5 * free[name].norm() for name in tables)


@pytest.mark.parametrize(
    ("schedule", "rates"), [("Linear", [0.3, 0.2, 0.1]), ("Constant", [0.3] * 3), (None, [0.3] * 3)]
)
def test_the_step_size_falls_in_equal_parts_where_that_is_asked_for(schedule: str | None, rates: list[float]) -> None:
    settings = Training.model_validate({"epochs": 3, "optimizer": {"learningRate": 0.3, "schedule": schedule}})
    assert [rate_of(settings, epoch) for epoch in (1, 2, 3)] == pytest.approx(rates)


@pytest.mark.parametrize("kind", ["Adam", "RowWiseAdagrad"])
@pytest.mark.parametrize("loss", ["BCE", "CrossEntropy"])
def test_pairs_and_users_follow_the_schedule(loss: str, kind: str) -> None:
    """The first epoch has the whole step size, the second the half of it."""
    weights = []
    for schedule in ("Constant", "Linear"):
        optimizer = {"type": kind, "learningRate": 0.01, "schedule": schedule}
        settings = training("MatrixFactorization", loss={"type": loss}, optimizer=optimizer, epochs=2)
        weights.append(fit(model("MatrixFactorization"), settings, two_tastes(), None, "cpu"))
    assert weights[0].history[0]["loss"] == weights[1].history[0]["loss"]
    assert not torch.equal(weights[0].weights["user_factors"], weights[1].weights["user_factors"])


NEURAL = {"GMF": GMF, "MLP": MLP, "NeuMF": NeuMF}


@pytest.mark.parametrize("repeats", [1, 4], ids=["few reads", "more reads than items"])
@pytest.mark.parametrize("family", ["MatrixFactorization", *NEURAL])
@pytest.mark.parametrize("loss", ["BCE", "BPR", "SampledSoftmax"])
def test_regularization_counts_a_row_once_for_each_pair(family: str, loss: str, repeats: int) -> None:
    """Those of negatives that are one interaction's own are pairs too; those that a batch shares are nobody's."""
    settings = Training.model_validate({"loss": {"type": loss, "negatives": 2}})
    shape = Model.model_validate({"architecture": family, "embeddingDim": 4})
    tables = network() if family == "MatrixFactorization" else NEURAL[family](USERS, ITEMS, shape)
    found, seen, users, items = [], Seen(tables), [0, 0, 1], [2, 4, 3]
    for penalty in (0.0, 0.1):
        asked = shape.model_copy(update={"regularization": penalty})
        columns = torch.tensor(users * repeats), torch.tensor(items * repeats)
        step = Batch(*columns, None, torch.Generator().manual_seed(1))
        with seen:
            found.append(build_loss(Task(asked, settings, two_tastes(), None, "cpu"))(tables, step))

    pairs = list(zip(users, items, strict=True)) * repeats if loss == "SampledSoftmax" else seen.pairs
    squares = 0.0
    for user, item in pairs:
        for name in tables.tables:
            if (table := getattr(tables, name)) is not None:
                row = table[user if "user" in name else item]
                squares += (row * tables.out.weight[0, :4] if name == "gmf_user" else row).square().sum()
    assert len(pairs) == (3 if loss == "SampledSoftmax" else 9) * repeats
    torch.testing.assert_close(found[1] - found[0], 0.1 * squares / len(pairs))


class Seen:
    """Notes the pairs that a network is asked for."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._network, self.pairs = network, list[tuple[int, int]]()

    def __enter__(self) -> None:
        self._hook = self._network.register_forward_pre_hook(self._note)

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _note(self, _: torch.nn.Module, arguments: tuple[torch.Tensor, torch.Tensor]) -> None:
        user_B, items = arguments
        if items.dim() == 2:
            self.pairs = [
                (user, item) for user, row in zip(user_B.tolist(), items.tolist(), strict=True) for item in row
            ]


@pytest.mark.parametrize("sampling", ["Uniform", "Popularity"])
def test_sampled_softmax_corrects_for_how_often_an_item_is_drawn(sampling: str) -> None:
    """With very many draws the sampled sum is the whole sum, whatever the items are drawn by."""
    count = 100_000
    loss = build_loss(task({"type": "SampledSoftmax", "negatives": count, "sampling": sampling}))
    found = loss(network(), batch()).detach()
    positives, scores = two_tastes(), network()(torch.arange(USERS), torch.arange(ITEMS)).detach()
    counts = torch.from_numpy(positives.counts()).float() if sampling == "Popularity" else torch.ones(ITEMS)
    chance = counts / counts.sum()
    expected = []
    for user in range(USERS):
        own = positives.indices[positives.indptr[user] : positives.indptr[user + 1]].tolist()
        others = [item for item in range(ITEMS) if item not in own]
        positive = (scores[user, own[0]].exp() / chance[own[0]]).double()
        negatives = count * scores[user, others].double().exp().sum()
        expected.append(torch.log(positive + negatives) - torch.log(positive))
    assert float(found) == pytest.approx(float(torch.stack(expected).mean()), rel=5e-3)


def test_a_batch_of_all_pairs_makes_in_batch_negatives_the_whole_softmax() -> None:
    """Each item is then there as often as it is popular, so that the correction gives every item weight one."""
    positives = two_tastes()
    users = torch.from_numpy(np.repeat(np.arange(USERS), np.diff(positives.indptr)))
    items = torch.from_numpy(positives.indices.astype(np.int64))
    loss = build_loss(task({"type": "SampledSoftmax", "sampling": "InBatch"}))
    found = loss(network(), Batch(users, items, None, torch.Generator())).detach()
    scores = network()(torch.arange(USERS), torch.arange(ITEMS)).detach().double()
    total = len(items)
    chance = torch.from_numpy(positives.counts()).double() / total
    known = torch.zeros(USERS, ITEMS, dtype=torch.bool)
    known[users, items] = True
    others = total * scores.exp().masked_fill(known, 0).sum(1)[users]
    positive = scores.exp()[users, items] / chance[items]
    expected = (torch.log(positive + others) - torch.log(positive)).mean()
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_in_batch_negatives_are_those_of_the_batch_and_at_most_as_many_as_asked_for() -> None:
    settings = {"type": "SampledSoftmax", "sampling": "InBatch", "negatives": 2}
    limited, scores = build_loss(task(settings)), network()
    taken: list[torch.Tensor] = []
    hook = scores.register_forward_pre_hook(lambda _, given: taken.append(given[1]))
    limited(scores, batch())
    hook.remove()
    assert taken[1].tolist() == batch().item_B[:2].tolist()
    assert limited.scores == 3


def test_a_batch_of_one_pair_has_nothing_to_learn_from_and_no_bad_number() -> None:
    loss = build_loss(task({"type": "SampledSoftmax", "sampling": "InBatch"}))
    scores = network()
    value = loss(
        scores, Batch(torch.tensor([0]), torch.tensor([int(two_tastes().indices[0])]), None, torch.Generator())
    )
    value.backward()
    assert float(value.detach()) == 0
    assert all(torch.isfinite(each.grad).all() for each in scores.parameters() if each.grad is not None)


def test_an_item_is_drawn_as_often_as_it_is_popular_and_an_item_without_interactions_never() -> None:
    sampler = PopularitySampler.of(torch.tensor([0, 5, 3, 0, 2, 0]))
    drawn = sampler.draw(100_000, torch.Generator().manual_seed(0))
    share = np.bincount(drawn.numpy(), minlength=6) / 100_000
    np.testing.assert_allclose(share, [0, 0.5, 0.3, 0, 0.2, 0], atol=0.01)
    assert share[[0, 3, 5]].sum() == 0


@pytest.mark.parametrize("limit", [2**28, 0])
def test_known_pairs_are_the_training_pairs_with_and_without_a_bitmap(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys_trainer.negatives.BITMAP_BYTES", limit)
    positives = two_tastes()
    known = KnownPairs.of(positives.indptr, positives.indices, ITEMS, "cpu")
    expected = torch.zeros(USERS, ITEMS, dtype=torch.bool)
    expected[np.repeat(np.arange(USERS), np.diff(positives.indptr)), positives.indices] = True
    assert torch.equal(known.contain(torch.arange(USERS), torch.arange(ITEMS)), expected)
    assert (known.bitmap_UI is None) == (limit == 0)


@pytest.mark.parametrize("sampling", ["Uniform", "InBatch"])
def test_a_user_is_scored_once_against_what_a_batch_draws(sampling: str) -> None:
    """And the loss is what it would be pair by pair."""
    loss = build_loss(task({"type": "SampledSoftmax", "sampling": sampling, "negatives": 7}))
    scores, asked = network(), list[torch.Tensor]()
    hook = scores.register_forward_pre_hook(lambda _, given: asked.append(given[0]))
    user_B, item_B = torch.tensor([3, 0, 3, 3, 0]), torch.tensor([1, 2, 3, 5, 8])
    whole = loss(scores, Batch(user_B, item_B, None, torch.Generator().manual_seed(1)))
    hook.remove()
    assert [len(users) for users in asked] == [5, 2]
    drawn_N = (
        item_B if sampling == "InBatch" else loss._drawn(Batch(user_B, item_B, None, torch.Generator().manual_seed(1)))
    )
    positives, chance_I, each = two_tastes(), loss._sampler.log_chance_I, []
    for user, item in zip(user_B.tolist(), item_B.tolist(), strict=True):
        own = set(positives.indices[positives.indptr[user] : positives.indptr[user + 1]].tolist())
        others = [drawn for drawn in drawn_N.tolist() if drawn not in own]
        corrected = (scores(torch.tensor([user]), torch.tensor([item, *others])) - chance_I[[item, *others]]).squeeze(0)
        each.append(corrected.logsumexp(0) - corrected[0])
    torch.testing.assert_close(whole, torch.stack(each).mean())


def test_pretraining_starts_neumf_as_the_weighted_sum_of_its_branches() -> None:
    settings = model("NeuMF")
    parts = GMF(USERS, ITEMS, settings), MLP(USERS, ITEMS, settings)
    joined = NeuMF(USERS, ITEMS, settings)
    joined.join(parts[0].exported(), parts[1].exported(), alpha=0.3)
    users, items = torch.arange(USERS), torch.arange(ITEMS)
    expected = 0.3 * parts[0](users, items) + 0.7 * parts[1](users, items)
    torch.testing.assert_close(joined(users, items), expected)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_what_pretraining_found_is_what_neumf_starts_from(batch_norm: bool) -> None:
    """A single step changes no weight, but what batch norms know of the batch; without theirs scores would differ by 2."""
    alone = training("NeuMF", epochs=30, batchSize=10**6, optimizer={"learningRate": 0.05})
    together = training("NeuMF", epochs=1, batchSize=10**6, optimizer={"learningRate": 1e-12})
    pretraining = {"epochs": 30, "alpha": 0.25, "learningRate": 0.05}
    users, items, positives = torch.arange(USERS), torch.arange(ITEMS), two_tastes()
    scores = {}
    for asked, settings in (
        (model("GMF"), alone),
        (model("MLP", batchNorm=batch_norm), alone),
        (model("NeuMF", batchNorm=batch_norm, pretraining=pretraining), together),
    ):
        weights = fit(asked, settings, positives, None, "cpu").weights
        network = FAMILIES[asked.architecture].load(artifact_model(asked, positives, weights), weights).eval()
        scores[asked.architecture] = network(users, items).detach()
    expected = 0.25 * scores["GMF"] + 0.75 * scores["MLP"]
    torch.testing.assert_close(scores["NeuMF"], expected, rtol=0, atol=0.5 if batch_norm else 1e-6)


@pytest.mark.parametrize("learns", [False, True])
def test_batch_norms_go_on_in_neumf_where_its_branch_has_left_them(learns: bool) -> None:
    settings = model("NeuMF", batchNorm=True)
    parts, joined = (GMF(USERS, ITEMS, settings), Branch(USERS, ITEMS, settings)), NeuMF(USERS, ITEMS, settings)
    users, items = torch.arange(USERS), torch.arange(ITEMS)
    with torch.no_grad():
        for each in parts[1].mlp_norm.parameters():
            each.uniform_(0.5, 2)
        parts[1].train()(users, items)
    joined.join(parts[0].exported(), parts[1].exported(), alpha=0.3)
    for each in (*parts, joined):
        each.train(learns)
    expected = 0.3 * parts[0](users, items) + 0.7 * parts[1](users, items)
    torch.testing.assert_close(joined(users, items), expected)


def test_branches_have_their_own_epochs_and_step_size() -> None:
    given = Training.model_validate({"epochs": 5, "optimizer": {"learningRate": 0.001, "schedule": "Linear"}})
    for learning_rate, expected in ((None, 0.001), (0.01, 0.01)):
        found = training_alone(given, Pretraining(epochs=3, learning_rate=learning_rate))
        assert (found.epochs, found.optimizer.learning_rate, found.optimizer.schedule) == (3, expected, "Linear")
    assert (given.epochs, given.optimizer.learning_rate) == (5, 0.001)


def test_the_branches_of_neumf_have_widths_of_their_own() -> None:
    """NVIDIA's example has 64 factors beside embeddings of 128; each branch is pre-trained in its own width."""
    settings = model("NeuMF", embeddingDim=4, mlpEmbeddingDim=6, pretraining={"epochs": 1})
    positives = two_tastes()
    found = fit(settings, training("NeuMF", epochs=1), positives, None, "cpu").weights
    assert [found[name].shape[1] for name in ("gmf_user", "gmf_item", "mlp_user", "mlp_item")] == [4, 4, 6, 6]
    assert (found["mlp.0.weight"].shape[1], found["out.weight"].shape[1]) == (12, 4 + 8)
    network = FAMILIES["NeuMF"].load(artifact_model(settings, positives, found), found).eval()
    server = Scorer(found, SeenLists(positives.indptr, positives.indices), torch.device("cpu"))
    expected = network(torch.arange(USERS), torch.arange(ITEMS))
    torch.testing.assert_close(server.scores(np.arange(USERS, dtype=np.int32)), expected, rtol=1e-4, atol=1e-5)


def test_pretraining_trains_both_branches_and_is_counted() -> None:
    plain = fit(model("NeuMF"), training("NeuMF", epochs=2), two_tastes(), None, "cpu")
    settings = model("NeuMF", pretraining={"epochs": 3})
    helped = fit(settings, training("NeuMF", epochs=2), two_tastes(), None, "cpu")
    assert helped.samples == plain.samples + 2 * 3 * plain.samples // 2
    assert helped.epochs == 2
    assert helped.history[0]["loss"] < plain.history[0]["loss"]


@pytest.mark.parametrize("family", ["MLP", "NeuMF"])
@pytest.mark.parametrize("pretraining", [None, {"epochs": 2}])
def test_batch_norm_is_folded_into_the_exported_layers(family: str, pretraining: object) -> None:
    if family == "MLP" and pretraining:
        return
    settings = model(family, batchNorm=True, pretraining=pretraining)
    found = fit(settings, training(family, epochs=3), two_tastes(), None, "cpu")
    assert not any("norm" in name for name in found.weights)
    trained = (MLP if family == "MLP" else NeuMF)(USERS, ITEMS, settings).eval()
    with torch.no_grad():
        for norm in trained.mlp_norm:
            assert isinstance(norm, torch.nn.BatchNorm1d)
            norm.running_mean.normal_()  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            norm.weight.normal_()
            norm.bias.normal_()
        exported = FAMILIES[family].load(exported_model(family, two_tastes(), found), trained.exported()).eval()
        users, items = torch.arange(USERS), torch.arange(ITEMS)
        torch.testing.assert_close(exported(users, items), trained(users, items), rtol=1e-4, atol=1e-5)
