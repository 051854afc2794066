"""Negatives are never positives, and uniform over the rest."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_trainer import negatives
from recsys_trainer.negatives import NegativeSampler


def csr(positives: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    indptr = np.concatenate(([0], np.cumsum([len(each) for each in positives]))).astype(np.int64)
    return indptr, np.array([item for each in positives for item in sorted(each)], dtype=np.int32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 11), max_size=11), min_size=1, max_size=6), st.integers(0, 2**31))
def test_a_negative_is_never_a_training_positive_of_its_user(positives: list[set[int]], seed: int) -> None:
    sampler = NegativeSampler.of(*csr(positives), 12, "cpu")
    users = torch.arange(len(positives))
    searching = replace(sampler, touched=None)
    drawn, searched, without_table = (
        way.draw(users, 40, torch.Generator().manual_seed(seed))
        for way in (sampler, searching, replace(searching, gaps=None))
    )
    assert torch.equal(searched, without_table), "both searches find the same place"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(negatives, "TOUCHED_BYTES", 0)
        patched.setattr(negatives, "shared_bits", lambda *_: 8)  # a bit for nine pairs
        sharing = NegativeSampler.of(*csr(positives), 12, "cpu")
        shared = sharing.draw(users, 40, torch.Generator().manual_seed(seed))
    for way in (drawn, searched, shared):
        assert int(way.min()) >= 0
        assert int(way.max()) < 12
        for user, items in enumerate(way.tolist()):
            assert not set(items) & positives[user]


@pytest.mark.parametrize("bits", ["own", "shared", "none"])
def test_every_other_item_is_drawn_equally_often(bits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negatives, "shared_bits", lambda *_: 4 if bits == "shared" else 0)
    sampler = NegativeSampler.of(*csr([{0, 3, 4, 9}]), 10, "cpu")
    assert sampler.touched is not None
    if bits == "shared":
        bit_I = negatives._bit_of(torch.zeros(10, dtype=torch.int64), torch.arange(10), 10, 4)
        of_positives = set(bit_I[[0, 3, 4, 9]].tolist())
        sharing = {int(bit) in of_positives for bit in bit_I[[1, 2, 5, 6, 7, 8]]}
        assert sharing == {True, False}, "some of the others share a bit with a positive, some do not"
    sampler = replace(sampler, touched=None) if bits == "none" else sampler
    drawn = sampler.draw(torch.tensor([0]), 60_000, torch.Generator().manual_seed(0))
    share = np.bincount(drawn[0].numpy(), minlength=10) / 60_000
    assert share[[0, 3, 4, 9]].sum() == 0
    np.testing.assert_allclose(share[[1, 2, 5, 6, 7, 8]], 1 / 6, atol=0.01)


def test_a_bit_that_is_shared_is_rarely_that_of_another_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negatives, "TOUCHED_BYTES", 2**12)
    random = np.random.default_rng(0)
    positives = [set(random.choice(5000, 10, replace=False).tolist()) for _ in range(100)]
    indptr, indices = csr(positives)
    sampler = NegativeSampler.of(indptr, indices, 5000, "cpu")
    assert sampler.touched is not None
    assert sampler.shared_bits == 2**15
    set_bits = int(np.unpackbits(sampler.touched.numpy()).sum())
    assert 0.95 * len(indices) <= set_bits <= len(indices)
