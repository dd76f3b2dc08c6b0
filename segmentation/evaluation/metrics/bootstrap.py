"""Estimates by resampling of photos how much scores would differ on other photos of the same kind."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from graphpool.checks import check_count, check_number
from segmentation.evaluation.metrics.parallel import work_on

Samples = dict[str, Float[np.ndarray, " samples"]]


@runtime_checkable
class Resampled(Protocol):
    """A metric whose photos can be weighted."""

    @property
    def num_photos(self) -> int:
        """Number of photos so far."""

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> Samples:
        """Returns the numbers with each photo counted ``weights`` times."""


@dataclass(frozen=True)
class Interval:
    """A number with its confidence interval.

    Attributes:
        value: the number on the photos as they are.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The difference of two metrics in one number.

    Attributes:
        difference: the first number minus the second.
        low: lower end of the confidence interval.
        high: upper end of the confidence interval.
        share: share of the resamplings in which the first is better.
    """

    difference: float
    low: float
    high: float
    share: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``no difference beyond noise`` where the interval holds 0."""
        if self.low <= 0 <= self.high:
            return "no difference beyond noise"
        return "better" if self.low > 0 else "worse"


def intervals(
    metric: Resampled, samples: int = 1000, *, seed: int = 0, confidence: float = 0.95, progress: bool = False
) -> dict[str, Interval]:
    """Computes percentile confidence intervals of every number of a metric.

    Photos are drawn with replacement, as many as there are, and the numbers computed again (Efron and Tibshirani, *An
    Introduction to the Bootstrap*, 1993). Numbers that are NaN on the photos as they are have no interval.

    Args:
        metric: the metric, with its photos.
        samples: number of draws.
        seed: seed of the draws.
        confidence: share of the samples inside the interval.
        progress: whether to show a bar.

    Raises:
        ValueError: no photos, or arguments outside of their range.

    Example:
        >>> from segmentation.evaluation.metrics.semantic_quality import SemanticQuality
        >>> quality = SemanticQuality(2)
        >>> for predicted in (0, 0, 1, 0):
        ...     quality.update(np.array([[0, 1]]), np.array([[predicted, 1]]))
        >>> accuracy = intervals(quality, 200)["pixel accuracy"]
        >>> accuracy.value, 50 < accuracy.low < accuracy.high <= 100
        (87.5, True)
    """
    weights = draw(metric.num_photos, samples, seed)
    drawn = _resampled(metric, weights, progress)
    values = metric.resampled(np.ones((1, metric.num_photos)))
    percentiles = _percentiles(confidence)
    result = {}
    for name, value in values.items():
        if not np.isnan(value[0]):
            low, high = np.nanpercentile(drawn[name], percentiles).tolist()
            result[name] = Interval(float(value[0]), low, high)
    return result


def compare(
    one: Resampled,
    other: Resampled,
    samples: int = 1000,
    *,
    seed: int = 0,
    confidence: float = 0.95,
    progress: bool = False,
) -> dict[str, Comparison]:
    """Compares two metrics number by number on the same photos, which are resampled for both together.

    Args:
        one: the first metric, with its photos.
        other: the second metric, with the same photos in the same order.
        samples: number of draws.
        seed: seed of the draws.
        confidence: share of the samples inside the interval.
        progress: whether to show a bar.

    Raises:
        ValueError: different numbers of photos, none, or arguments outside of their range.
    """
    if one.num_photos != other.num_photos:
        raise ValueError(f"'other' must be of the same {one.num_photos} photos, got {other.num_photos}")
    weights = draw(one.num_photos, samples, seed)
    ones = np.ones((1, one.num_photos))
    first, second = (_resampled(metric, weights, progress) for metric in (one, other))
    first_values, second_values = (metric.resampled(ones) for metric in (one, other))
    percentiles = _percentiles(confidence)
    result = {}
    for name in first_values:
        difference = float(first_values[name][0] - second_values[name][0])
        if not np.isnan(difference):
            drawn = first[name] - second[name]
            drawn = drawn[~np.isnan(drawn)]
            low, high = np.percentile(drawn, percentiles).tolist()
            result[name] = Comparison(difference, low, high, float((drawn > 0).mean()))
    return result


def draw(photos: int, samples: int, seed: int) -> Float[np.ndarray, "samples photos"]:
    """Draws photos with replacement; returns how often each is drawn in each sample.

    Raises:
        ValueError: no photos, or no samples.
    """
    check_count("samples", samples, 1)
    check_count("photos", photos, 1)
    rng = np.random.default_rng(seed)
    return rng.multinomial(photos, np.full(photos, 1 / photos), samples).astype(np.float64)


def _resampled(metric: Resampled, weights: Float[np.ndarray, "samples photos"], progress: bool) -> Samples:
    title = "resampling" if progress else None
    portions = list(work_on(lambda rows: metric.resampled(np.stack(rows)), weights, len(weights), title=title))
    return {name: np.concatenate([portion[name] for portion in portions]) for name in portions[0]}


def _percentiles(confidence: float) -> tuple[float, float]:
    check_number("confidence", confidence, 0, 1, open_low=True)
    return 50 * (1 - confidence), 50 * (1 + confidence)
