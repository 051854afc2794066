"""Worker: NeuMF as PyTorch's own idioms have it: a Dataset, a DataLoader, nn.Embedding, nn.Sequential, Adam.

Negatives are drawn for every epoch with numpy at once and checked against a set of known pairs, as recipes do; the loader makes
batches in the main process (0 workers; others were not measured).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.held_out import Ints
from benchmarks.peers.ours_neumf import positives_of
from benchmarks.peers.worker import arguments, serve, timed

NEGATIVES = 4


class Interactions(Dataset[tuple[int, int, float]]):
    """Positives and drawn negatives; one example at a time, as a Dataset is written."""

    def __init__(self, user: Ints, item: Ints, items: int) -> None:
        self._known = set((user * items + item).tolist())
        self._positive, self._items = (user, item), items
        self.draw(1.0)

    def draw(self, share: float) -> None:
        """New negatives for the first positives."""
        positive_user, positive_item = (values[: int(share * len(values))] for values in self._positive)
        user = np.repeat(positive_user, NEGATIVES)
        item = np.random.randint(self._items, size=len(user))
        wrong = np.arange(len(user))
        while len(wrong):
            pairs = (user[wrong] * self._items + item[wrong]).tolist()
            wrong = wrong[[pair in self._known for pair in pairs]]
            item[wrong] = np.random.randint(self._items, size=len(wrong))
        self._user, self._item = np.append(positive_user, user), np.append(positive_item, item)
        self._label = np.append(np.ones(len(positive_user)), np.zeros(len(user))).astype(np.float32)

    def __len__(self) -> int:
        return len(self._user)

    def __getitem__(self, row: int) -> tuple[int, int, float]:
        return self._user[row], self._item[row], self._label[row]


class PlainNeuMF(nn.Module):
    """He et al. 2017, figure 3."""

    def __init__(self, users: int, items: int) -> None:
        super().__init__()
        self.gmf_user, self.gmf_item = nn.Embedding(users, 64), nn.Embedding(items, 64)
        self.mlp_user, self.mlp_item = nn.Embedding(users, 64), nn.Embedding(items, 64)
        self.mlp = nn.Sequential(
            nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()
        )
        self.out = nn.Linear(128, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Logits."""
        factors = self.gmf_user(user) * self.gmf_item(item)
        hidden = self.mlp(torch.cat((self.mlp_user(user), self.mlp_item(item)), dim=1))
        logits: Tensor = self.out(torch.cat((factors, hidden), dim=1)).squeeze(1)
        return logits


def main() -> None:
    """Requests: {"batch", "workers", "share" of the positives}; answers: {"samples", "seconds", "cpuSeconds"}."""
    options = arguments()
    torch.set_num_threads(options.threads)
    positives = positives_of(options.data)
    user = np.repeat(np.arange(positives.users), np.diff(positives.indptr))
    examples = Interactions(user, positives.indices.astype(np.int64), positives.items)
    net = PlainNeuMF(positives.users, positives.items)
    optimizer, criterion = torch.optim.Adam(net.parameters(), lr=0.001), nn.BCEWithLogitsLoss()

    def epoch(batch: int, workers: int, share: float) -> None:
        examples.draw(share)
        for users, items, labels in DataLoader(examples, batch_size=batch, shuffle=True, num_workers=workers):
            optimizer.zero_grad()
            criterion(net(users, items), labels).backward()
            optimizer.step()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        _, spent = timed(lambda: epoch(request["batch"], request["workers"], request["share"]))
        return {"samples": len(examples), **spent}

    serve(answer)


if __name__ == "__main__":
    main()
