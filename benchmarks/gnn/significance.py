"""Tests whether one layer is better than another, over folds and over data sets."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata, t


def corrected_p(one: Sequence[float], other: Sequence[float], test_share: float) -> float:
    r"""Returns the two-sided p of a paired t-test, corrected for overlapping training sets.

    :math:`t = \bar d / \sqrt{(1 / n + share) s^2}` (Nadeau and Bengio, Machine Learning 2003).

    Args:
        one: scores of one layer on every fold of every seed.
        other: scores of the other layer on the same folds.
        test_share: test graphs for each training graph.
    """
    difference = np.subtract(one, other)
    if len(difference) < 2 or not difference.any():
        return 1.0
    spread = math.sqrt((1 / len(difference) + test_share) * difference.var(ddof=1))
    return float(2 * t.sf(abs(difference.mean()) / spread, len(difference) - 1)) if spread else 0.0


def mean_ranks(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns each layer's rank, 1 for the best score, averaged over the data sets; equal scores share their ranks.

    Layers without a score on one of the data sets are left out.

    Args:
        scores: score of each layer on each data set, ``scores[data set][layer]``.
    """
    sets = list(scores.values())
    layers = [name for name in sets[0] if all(name in own for own in sets)] if sets else []
    ranks = [rankdata([-own[name] for name in layers]) for own in sets]
    return dict(zip(layers, np.mean(ranks, axis=0).tolist(), strict=True)) if layers else {}
