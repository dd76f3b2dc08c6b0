"""Which class each cluster stands for.

What a mapping is fitted to is a table of pixels or of instances, ``[classes, clusters + 1]``: how many of each class
have each cluster, in the last column how many have none. Tables of photos add up.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Integer
from scipy.optimize import linear_sum_assignment

from graphpool.checks import check_choice
from segmentation.base.choices import MAPPING_RULES
from segmentation.prediction.clusters import ClusterMapping, MappedCluster, check_counts

MOST = 65535  # clusters


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
    """The classes that fit the clusters best.

    Args:
        counts: of pixels (:func:`segmentation.evaluation.metrics.semantic_quality.confusion_matrix`) or of instances
            (:func:`matched_instances`), the last column of which is left aside.
        rule: ``hungarian`` pairs clusters with classes one-to-one so that as many as possible are right;
            ``hungarian+argmax`` then gives each cluster that is left over its most frequent class (of equals the
            first), as CUPS does; ``vote`` gives every cluster its most frequent class, as U2Seg's code does. By all of
            them, a cluster that has nothing in common with a class does not stand for it.
        names: of the classes; their numbers by default.
        is_thing: of the classes, whether they are things or stuff.
        allowed: which clusters may stand for which classes, such as things and stuff apart; all by default.
        fitted_on: name of the photos that ``counts`` is of, for the record.
        clusters: number of the cluster of each column, from 0 by default.

    Raises:
        TypeError: counts that are no integers.
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
    found = {}
    numbers = range(common.shape[1]) if clusters is None else clusters
    for cluster, place in zip(numbers, class_of.tolist(), strict=True):
        if place < 0:
            found[cluster] = MappedCluster(None, str(cluster))
        else:
            kind = None if is_thing is None else "thing" if is_thing[place] else "stuff"
            found[cluster] = MappedCluster(place, str(place) if names is None else names[place], kind)
    return ClusterMapping(found, rule, fitted_on)


def check_clusters(where: str, labels: Iterable[object]) -> int:
    """The number of clusters, one more than the highest; ``where`` is what errors call their file.

    Raises:
        ValueError: a label that is no whole number from 0 to 65534.
    """
    highest = -1
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < MOST:
            raise ValueError(f"{where}: clusters must be whole numbers from 0 to {MOST - 1}, got {label!r}")
        highest = max(highest, label)
    return highest + 1
