"""Fits a mapping of clusters to classes.

It is fitted to a table of pixels or instances, ``[classes, clusters + 1]``: how many of each class fall into each
cluster, in the last column how many into none. Tables of photos add up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Integer
from scipy.optimize import linear_sum_assignment

from graphpool.checks import check_choice, check_number
from segmentation.base.choices import FIT_ON, MAPPING_RULES
from segmentation.base.wording import counted
from segmentation.prediction.clusters import ClusterMapping, MappedCluster, check_counts

MAX_CLUSTERS = 65535
Key = TypeVar("Key")


@dataclass(frozen=True)
class FitPlan:
    """The rule by which a mapping is fitted, and the photos that it is fitted on.

    Attributes:
        rule: rule of :func:`fit_mapping`.
        fit_on: ``held-out`` for a part of the photos that is not scored, or ``scored`` for the scored photos, as in the
            literature.
        share: share of the photos that are held out, evenly spread over their order.

    Raises:
        ValueError: another rule or part, or a share that is not between 0 and 1.

    Example:
        >>> FitPlan().split("abcdefgh")
        (['d', 'h'], ['a', 'b', 'c', 'e', 'f', 'g'])
    """

    rule: str = "hungarian"
    fit_on: str = "held-out"
    share: float = 0.25

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, MAPPING_RULES)
        check_choice("fit_on", self.fit_on, FIT_ON)
        check_number("share", self.share, 0, 1, open_low=True)
        if self.share == 1:
            raise ValueError("'share' must leave photos to score, got 1")

    def split(self, photos: Sequence[Key]) -> tuple[list[Key], list[Key]]:
        """Returns the photos to fit on and those to score.

        Raises:
            ValueError: too few photos to hold one out.
        """
        if self.fit_on == "scored":
            return list(photos), list(photos)
        held = [int((place + 1) * self.share) > int(place * self.share) for place in range(len(photos))]
        fitted = [photo for photo, is_held in zip(photos, held, strict=True) if is_held]
        if not fitted or len(fitted) == len(photos):
            raise ValueError(
                f"{counted(len(photos), 'photo')} cannot be parted into {self.share:g} for the mapping and the rest to "
                "score; use more photos, another split's mapping (--mapping FILE), or --fit-on scored"
            )
        return fitted, [photo for photo, is_held in zip(photos, held, strict=True) if not is_held]

    def describe(self, fitted: int) -> str:
        """Says for the protocol how many photos the mapping was fitted on, and whether they are scored."""
        return f"{counted(fitted, 'photo')} ({'the scored ones' if self.fit_on == 'scored' else 'not scored'})"


@dataclass(frozen=True)
class FittedMapping:
    """A mapping, and the plan by which it was fitted on a part of the same photos, which is left out of the scores."""

    mapping: ClusterMapping
    plan: FitPlan


def fit_mapping(
    counts: Integer[np.ndarray, "classes clusters_and_none"],
    rule: str = "hungarian",
    *,
    names: Sequence[str] | None = None,
    is_thing: Sequence[bool] | None = None,
    allowed: Bool[np.ndarray, "classes clusters"] | None = None,
    fitted_on: str | None = None,
    clusters: Sequence[int] | None = None,
) -> ClusterMapping:
    """Fits a mapping of clusters to classes to their table of counts.

    Args:
        counts: counts of pixels (:func:`segmentation.evaluation.metrics.semantic_quality.confusion_matrix`) or of
            instances (:func:`segmentation.evaluation.metrics.instance_fit.matched_instances`); the last column is not
            used.
        rule: ``hungarian`` pairs clusters with classes one-to-one so that as many as possible are right;
            ``hungarian+argmax`` then gives every cluster that is left its most frequent class (of equals the first), as
            CUPS does; ``vote`` gives every cluster its most frequent class, as U2Seg's code does. In all of them, a
            cluster never stands for a class with which it has nothing in common.
        names: names of the classes; their numbers by default.
        is_thing: whether each class is a thing or stuff.
        allowed: which clusters may stand for which classes, for example things for things only; all by default.
        fitted_on: description of the photos, kept in the mapping.
        clusters: number of the cluster of each column; from 0 by default.

    Raises:
        TypeError: counts that are not integers.
        ValueError: another rule, negative counts, or sizes that do not fit.

    Example:
        >>> counts = np.array([[50, 40, 0, 0], [30, 0, 9, 2]])  # 2 classes, 3 clusters
        >>> mapping = fit_mapping(counts, names=("sky", "sea"))
        >>> [mapping.class_of(cluster) for cluster in range(3)], mapping.clusters[0].name
        ([1, 0, None], 'sea')
        >>> fit_mapping(counts, "hungarian+argmax").class_of(2)
        1
    """
    check_choice("rule", rule, MAPPING_RULES)
    check_counts(counts)
    num_classes = len(counts)
    for name, values in (("names", names), ("is_thing", is_thing)):
        if values is not None and len(values) != num_classes:
            raise ValueError(f"'{name}' must have one entry for each of the {num_classes} classes, got {len(values)}")
    common = counts[:, :-1].astype(np.int64)
    if allowed is not None:
        if allowed.shape != common.shape:
            raise ValueError(f"'allowed' must have the shape {list(common.shape)}, got {list(allowed.shape)}")
        common = common * allowed
    class_of = np.full(common.shape[1], -1)
    if rule != "vote":
        rows, columns = linear_sum_assignment(common, maximize=True)
        right = common[rows, columns] > 0
        class_of[columns[right]] = rows[right]
    if rule != "hungarian":
        left = (class_of < 0) & common.any(axis=0)
        class_of[left] = common[:, left].argmax(axis=0)
    mapped = {}
    numbers = range(common.shape[1]) if clusters is None else clusters
    for cluster, place in zip(numbers, class_of.tolist(), strict=True):
        if place < 0:
            mapped[cluster] = MappedCluster(None, str(cluster))
        else:
            kind = None if is_thing is None else "thing" if is_thing[place] else "stuff"
            mapped[cluster] = MappedCluster(place, str(place) if names is None else names[place], kind)
    return ClusterMapping(mapped, rule, fitted_on)


def check_clusters(where: str, labels: Iterable[object]) -> int:
    """Returns the number of clusters, one more than the highest label; ``where`` names their file in errors.

    Raises:
        ValueError: a label that is not a whole number from 0 to 65534.
    """
    highest = -1
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < MAX_CLUSTERS:
            raise ValueError(f"{where}: clusters must be whole numbers from 0 to {MAX_CLUSTERS - 1}, got {label!r}")
        highest = max(highest, label)
    return highest + 1
