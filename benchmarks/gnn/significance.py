"""Whether one layer is better than another, over folds and over data sets."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata, t


def corrected_p(one: Sequence[float], other: Sequence[float], test_share: float) -> float:
    r"""Two-sided p of a paired t-test whose variance is corrected for training sets that overlap (Nadeau and Bengio,
    Machine Learning 2003): :math:`t = \bar d / \sqrt{(1 / n + share) s^2}`.

    Args:
        one: scores of one layer on every fold of every seed.
        other: those of the other on the same.
        test_share: test graphs for each training graph.
    """
    difference = np.subtract(one, other)
    if len(difference) < 2 or not difference.any():
        return 1.0
    spread = math.sqrt((1 / len(difference) + test_share) * difference.var(ddof=1))
    return float(2 * t.sf(abs(difference.mean()) / spread, len(difference) - 1)) if spread else 0.0


def mean_ranks(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Rank of each layer on each data set, 1 for the best score, equal ones sharing their ranks; averaged over the
    data sets. Layers without a score on one of them are left out.

    Args:
        scores: of each layer on each data set, ``scores[data set][layer]``.
    """
    sets = list(scores.values())
    layers = [name for name in sets[0] if all(name in own for own in sets)] if sets else []
    ranks = [rankdata([-own[name] for name in layers]) for own in sets]
    return dict(zip(layers, np.mean(ranks, axis=0).tolist(), strict=True)) if layers else {}
