"""A synthetic artifact whose right answers come from a second, naive implementation (numpy, one user at a time)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest, ArtifactModel, FoldIn, Lineage, artifact_digest
from recsys_api.idmap import write_idmap
from recsys_api.spec.model import Architecture

Floats = NDArray[np.float32]

CONFIG = """
name: "recommender"
backend: "python"
max_batch_size: 64
input [
  { name: "rows" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "extra_seen" data_type: TYPE_INT32 dims: [ -1 ] allow_ragged_batch: true },
  { name: "k" data_type: TYPE_INT32 dims: [ 1 ] }
]
output [
  { name: "item_rows" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "scores" data_type: TYPE_FP32 dims: [ -1 ] }
]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching {
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 1000000
    allow_timeout_override: true
    max_queue_size: 256
  }
}
"""


@dataclass(frozen=True)
class Recipe:
    """What the artifact is made of."""

    architecture: Architecture = "NeuMF"
    users: int = 40
    items: int = 200
    dim: int = 8
    hidden: tuple[int, ...] = (16, 8)
    seed: int = 0
    history: int = 12
    popular: int = 100
    biases: tuple[str, ...] = ()
    """Of a dot product: item_bias, user_bias, global_bias."""
    fold_in: FoldIn | None = None


@dataclass
class Made:
    """The parts, before they are written; tests change one of them."""

    recipe: Recipe
    weights: dict[str, Floats]
    seen: list[list[int]]
    users: list[str]
    items: list[str]
    popularity: Floats
    golden: list[dict[str, object]] = field(default_factory=list)

    def naive_scores(self, row: int) -> NDArray[np.float64]:
        """Logits of one user by the formula of docs/contracts.md section 3, in float64."""
        return naive_scores(self.weights, row)

    def naive_top_k(self, row: int, k: int, extra: Sequence[int] = ()) -> list[int]:
        """Item rows, best first, ties by row."""
        scores = self.naive_scores(row)
        left = [item for item in range(len(scores)) if item not in set(self.seen[row]) | set(extra)]
        return sorted(left, key=lambda item: (-scores[item], item))[:k]

    def naive_folded(self, had: Sequence[int]) -> NDArray[np.float64]:
        """Scores of an unknown user who had these items, by the formula of the same section."""
        assert self.recipe.fold_in is not None, "the recipe folds in"
        return naive_folded(self.weights, self.recipe.fold_in, had)

    def naive_top_folded(self, had: Sequence[int], k: int) -> list[int]:
        """Item rows, best first, ties by row, none of them had."""
        scores = self.naive_folded(had)
        return sorted(set(range(len(scores))) - set(had), key=lambda item: (-scores[item], item))[:k]


def naive_folded(weights: Mapping[str, Floats], settings: FoldIn, had: Sequence[int]) -> NDArray[np.float64]:
    """An equation for one user, solved as it stands."""
    items = np.asarray(weights["item_factors"], np.float64)
    rows = items[sorted(set(had))]
    user: NDArray[np.float64] = rows.sum(axis=0)
    if settings.kind == "LeastSquares":
        size = len(rows) + settings.unobserved_weight * len(items)
        ridge = settings.regularization * size**settings.exponent * np.eye(items.shape[1])
        user = np.linalg.inv(rows.T @ rows + settings.unobserved_weight * items.T @ items + ridge) @ user
    return np.asarray(items @ user)


def naive_scores(weights: Mapping[str, Floats], row: int) -> NDArray[np.float64]:
    """The reference: concatenate, multiply, add; nothing precomputed."""
    tables = {name: np.asarray(tensor, np.float64) for name, tensor in weights.items()}
    if "user_factors" in tables:
        biases = [tables[name] for name in ("item_bias", "global_bias") if name in tables]
        biases += [tables["user_bias"][row]] if "user_bias" in tables else []
        scores: NDArray[np.float64] = tables["item_factors"] @ tables["user_factors"][row] + sum(biases)
        return scores
    parts = []
    if "gmf_user" in tables:
        parts.append(tables["gmf_user"][row] * tables["gmf_item"])
    if "mlp_user" in tables:
        items = tables["mlp_item"]
        hidden = np.concatenate([np.repeat(tables["mlp_user"][row][None], len(items), 0), items], axis=1)
        for layer in range(sum(name.endswith(".bias") for name in tables) - 1):
            hidden = np.maximum(hidden @ tables[f"mlp.{layer}.weight"].T + tables[f"mlp.{layer}.bias"], 0)
        parts.append(hidden)
    return (np.concatenate(parts, axis=1) @ tables["out.weight"].T + tables["out.bias"])[:, 0]


def make(recipe: Recipe = Recipe()) -> Made:
    """Random weights and histories from the recipe's seed."""
    rng = np.random.default_rng(recipe.seed)
    seen = [sorted(rng.choice(recipe.items, recipe.history, replace=False).tolist()) for _ in range(recipe.users)]
    made = Made(
        recipe=recipe,
        weights=_weights(recipe, rng),
        seen=seen,
        users=[f"u{row}" for row in range(recipe.users)],
        items=[f"i{row}" for row in range(recipe.items)],
        popularity=np.bincount(np.concatenate(seen).astype(np.int64), minlength=recipe.items).astype(np.float32),
    )
    made.golden = golden_of(made)
    return made


def _weights(recipe: Recipe, rng: np.random.Generator) -> dict[str, Floats]:
    def normal(*shape: int) -> Floats:
        return np.asarray(rng.standard_normal(shape) / np.sqrt(shape[-1]), np.float32)

    if recipe.architecture not in ("GMF", "MLP", "NeuMF"):
        sizes = {"item_bias": recipe.items, "user_bias": recipe.users, "global_bias": 1}
        biases = {name: normal(sizes[name], 1)[:, 0].copy() for name in recipe.biases}
        factors = {"user_factors": normal(recipe.users, recipe.dim), "item_factors": normal(recipe.items, recipe.dim)}
        return factors | biases
    weights: dict[str, Floats] = {}
    width = 0
    if recipe.architecture in ("GMF", "NeuMF"):
        weights |= {"gmf_user": normal(recipe.users, recipe.dim), "gmf_item": normal(recipe.items, recipe.dim)}
        width += recipe.dim
    if recipe.architecture in ("MLP", "NeuMF"):
        weights |= {"mlp_user": normal(recipe.users, recipe.dim), "mlp_item": normal(recipe.items, recipe.dim)}
        layer_in = 2 * recipe.dim
        for layer, layer_out in enumerate(recipe.hidden):
            weights[f"mlp.{layer}.weight"], weights[f"mlp.{layer}.bias"] = (
                normal(layer_out, layer_in),
                normal(layer_out),
            )
            layer_in = layer_out
        width += layer_in
    return weights | {"out.weight": normal(1, width), "out.bias": normal(1)}


def popular_rows(made: Made) -> list[int]:
    """Item rows, most popular first, ties by row."""
    return sorted(range(len(made.items)), key=lambda row: (-made.popularity[row], row))[: made.recipe.popular]


def golden_of(made: Made, known: int = 8) -> list[dict[str, object]]:
    """Golden answers of some known users and one unknown user."""
    answers: list[dict[str, object]] = []
    for row in range(min(known, len(made.users))):
        best = made.naive_top_k(row, 50)
        scores = made.naive_scores(row)
        answers.append(
            {
                "user": made.users[row],
                "row": row,
                "seen": [made.items[item] for item in made.seen[row]],
                "items": [made.items[item] for item in best],
                "rows": best,
                "scores": [float(np.float32(scores[item])) for item in best],
            }
        )
    popular = popular_rows(made)[:50]
    items = [made.items[row] for row in popular]
    answers.append({"user": "nobody", "row": -1, "seen": [], "items": items, "rows": popular, "scores": []})
    return answers if made.recipe.fold_in is None else [*answers, _folded_answer(made, popular[:3])]


def _folded_answer(made: Made, had: list[int]) -> dict[str, object]:
    best, scores = made.naive_top_folded(had, 50), made.naive_folded(had)
    return {
        "user": "somebody",
        "row": -1,
        "seen": [made.items[row] for row in had],
        "items": [made.items[row] for row in best],
        "rows": best,
        "scores": [float(np.float32(scores[row])) for row in best],
    }


def write(made: Made, root: Path, *, config: str = CONFIG) -> str:
    """Write all files and the manifest; returns the artifact digest."""
    (root / "triton/recommender").mkdir(parents=True, exist_ok=True)
    write_idmap(root / "users.idmap", made.users)
    write_idmap(root / "items.idmap", made.items)
    save_file(made.weights, root / "weights.safetensors")
    indptr = np.cumsum([0, *map(len, made.seen)]).astype(np.int64)
    indices = np.array([item for items in made.seen for item in items], np.int32)
    save_file({"indptr": indptr, "indices": indices}, root / "seen.safetensors")
    popular = np.array(popular_rows(made), np.int32)
    save_file({"items": popular, "scores": made.popularity[popular]}, root / "popularity.safetensors")
    (root / "golden.json").write_text(json.dumps(made.golden))
    save_file({"row": np.array([answer["row"] for answer in made.golden], np.int32)}, root / "golden.safetensors")
    (root / "triton/recommender/config.pbtxt").write_text(config)
    return write_manifest(root, made)


def write_manifest(root: Path, made: Made) -> str:
    """(Re)write manifest.json from the files as they are; returns the artifact digest."""
    files = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in ARTIFACT_FILES}
    recipe = made.recipe
    manifest = ArtifactManifest(
        digest=artifact_digest(files),
        files=files,
        model=ArtifactModel(
            architecture=recipe.architecture,
            embedding_dim=recipe.dim,
            hidden_layers=recipe.hidden,
            users=recipe.users,
            items=recipe.items,
            unknown_users="Popularity" if recipe.fold_in is None else "FoldIn",
            fold_in=recipe.fold_in,
        ),
        lineage=Lineage(
            namespace="shop",
            model="movies",
            version="movies-0123456789",
            version_uid="uid",
            number=1,
            snapshot_digest="sha256:" + "0" * 64,
            data_uri="file:///data",
            trained_at="2026-01-01T00:00:00Z",
            trainer="0",
        ),
        train_cutoff_timestamp=1,
    )
    (root / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))
    return manifest.digest


if __name__ == "__main__":
    import sys

    target, users, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(write(make(Recipe(users=users, items=count, dim=32, hidden=(64, 32, 16), history=50, popular=1000)), target))
