"""Whether a logit is a probability: of the event that this unseen pair occurs in the validation window.

Training saw k negatives for each positive, drawn from q: so the log-odds of the population are logit + log(k q). Platt's
slope and bias (1999) are then fitted on the validation part. What is reported is out of fold: each half of the users is
told by the other half's fit.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.report import CalibrationBin, CalibrationReport
from recsys_trainer.artifact.served import Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.data.split import VALIDATION
from recsys_trainer.evaluation.ranking import finite_scores

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
MAX_USERS, MAX_ITEMS = 512, 2048
MIN_EVENTS = 30
"""Fewer than this in a fold say nothing about a slope."""
BINS = 10
TOP = 0.1
_CHUNK = 64
_DEFAULT_NEGATIVES = 4


def calibration(spec: RecommenderModelSpec, snapshot: Snapshot, served: Served, seed: int) -> CalibrationReport:
    """The calibration of an artifact, or why there is none."""
    if reason := why_not(spec):
        return CalibrationReport(reason=reason)
    negatives = spec.training.loss.negatives or _DEFAULT_NEGATIVES
    odds, event, weight, fold = sampled_pairs(snapshot, served, negatives, seed)
    if min(int(event[fold].sum()), int(event[~fold].sum())) < MIN_EVENTS:
        return CalibrationReport(reason=f"fewer than {2 * MIN_EVENTS} validation interactions of the sampled users")
    probability, base = np.empty(len(odds)), np.empty(len(odds))
    for told, by in ((fold, ~fold), (~fold, fold)):
        slope, bias = platt(odds[by], event[by], weight[by])
        probability[told] = _sigmoid(slope * odds[told] + bias)
        base[told] = np.average(event[by], weights=weight[by])
    slope, bias = platt(odds, event, weight)
    loss, base_loss = (_log_loss(each, event, weight) for each in (probability, base))
    bins = equal_mass_bins(probability, event, weight)
    return CalibrationReport(
        status="Calibrated",
        slope=slope,
        bias=bias,
        log_loss=loss,
        base_log_loss=base_loss,
        log_loss_gain=1 - loss / base_loss,
        ece=float(np.mean([abs(each.predicted - each.observed) for each in bins])),
        bins=bins,
        pairs=len(odds),
        events=int(event.sum()),
    )


def why_not(spec: RecommenderModelSpec) -> str:
    """Why the score of this model is no logit of a probability, or nothing."""
    loss, family = spec.training.loss.type or "", spec.model.architecture
    if loss != "BCE" and not (loss == "" and family in ("GMF", "MLP", "NeuMF")):
        return f"the score of {family} with loss {loss or 'of its own'} is not the logit of a probability"
    if spec.training.refit != "Never":
        return f"refit {spec.training.refit} trained on the validation part, nothing is left to calibrate on"
    return ""


def sampled_pairs(snapshot: Snapshot, served: Served, negatives: int, seed: int) -> tuple[Floats, Bools, Floats, Bools]:
    """(log-odds, event, inverse sampling weight, fold) of unseen pairs of sampled trained users.

    Every pair that occurs in the validation part is there with weight 1; of the others those of the sampled items, which
    stand for the whole catalogue.
    """
    random = np.random.default_rng(seed)
    users = np.sort(random.permutation(len(served.users))[:MAX_USERS])
    columns = np.sort(random.permutation(served.items)[:MAX_ITEMS])
    pair = _validation_pairs(snapshot, served)
    found = []
    for start in range(0, len(users), _CHUNK):
        rows = users[start : start + _CHUNK]
        scores = finite_scores(served, torch.from_numpy(rows).to(served.device)).double().cpu().numpy()
        event, seen = np.zeros(scores.shape, dtype=np.bool_), np.zeros(scores.shape, dtype=np.bool_)
        for at, row in enumerate(rows):
            event[at, pair[1][slice(*np.searchsorted(pair[0], (row, row + 1)))]] = True
            seen[at, served.seen(row)] = True
        drawn = np.zeros(served.items, dtype=np.bool_)
        drawn[columns] = True
        chosen = ~seen & (event | drawn)
        user, item = np.nonzero(chosen)
        odds = scores[user, item] + np.log(negatives / np.maximum(1, served.items - seen.sum(axis=1)))[user]
        weight = np.where(event[user, item], 1.0, served.items / len(columns))
        found.append((odds, event[user, item], weight, (start + user) % 2 == 0))
    odds, event, weight, fold = (np.concatenate(each) for each in zip(*found, strict=True))
    return odds, event, weight, fold


def _validation_pairs(snapshot: Snapshot, served: Served) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(user rows ascending, item rows) of the validation part, as far as the artifact knows both."""
    chosen = snapshot.part_I == VALIDATION
    user = rows_of(snapshot.users, served.users)[snapshot.user_I[chosen]].astype(np.int64)
    item = rows_of(snapshot.items, served.item_ids)[snapshot.item_I[chosen]].astype(np.int64)
    known = (user >= 0) & (item >= 0)
    order = np.argsort(user[known], kind="stable")
    return user[known][order], item[known][order]


def platt(odds: Floats, event: Bools, weight: Floats) -> tuple[float, float]:
    """(slope, bias) of the weighted logistic regression of the event on the log-odds, by Newton's method."""
    centre, scale = float(np.average(odds, weights=weight)), float(odds.std()) or 1.0
    x = (odds - centre) / scale
    rate = np.average(event, weights=weight)
    slope, bias = 0.0, float(np.log(rate / (1 - rate)))
    for _ in range(50):
        p = _sigmoid(slope * x + bias)
        miss, spread = weight * (event - p), weight * p * (1 - p)
        hessian = np.array([[(spread * x * x).sum(), (spread * x).sum()], [(spread * x).sum(), spread.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), np.array([(miss * x).sum(), miss.sum()]))
        step *= min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))  # far from the answer the parabola is too wide
        slope, bias = slope + float(step[0]), bias + float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    return slope / scale, bias - slope * centre / scale


def equal_mass_bins(probability: Floats, event: Bools, weight: Floats) -> tuple[CalibrationBin, ...]:
    """The tenth of the population with the highest probabilities, in bins of equal weight, lowest first."""
    order = np.argsort(-probability, kind="stable")
    mass = np.cumsum(weight[order])
    edges = np.searchsorted(mass, np.linspace(0, TOP * mass[-1], BINS + 1), side="right")
    bins = []
    for low, high in pairwise(edges):
        rows = order[low : max(high, low + 1)]
        predicted, observed = (float(np.average(each[rows], weights=weight[rows])) for each in (probability, event))
        bins.append(CalibrationBin(predicted=predicted, observed=observed))
    return tuple(reversed(bins))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))


def _log_loss(probability: Floats, event: Bools, weight: Floats) -> float:
    p = np.clip(probability, 1e-15, 1 - 1e-15)
    return float(np.average(-np.where(event, np.log(p), np.log1p(-p)), weights=weight))
