"""Which class each cluster stands for.

What a mapping is fitted to is a table of pixels or of instances, ``[classes, clusters + 1]``: how many of each class
have each cluster, in the last column how many have none. Tables of photos add up.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, Integer
from scipy.optimize import linear_sum_assignment

from graphpool.checks import check_choice
from segmentation.base.inputs import check_integers, loaded_json
from segmentation.base.replace_file import replacing

RULES = ("hungarian", "hungarian+argmax", "vote")
MOST = 65535  # clusters
_KINDS = ("thing", "stuff", None)
_FIELDS = ("class", "name", "kind")


class MappedCluster(NamedTuple):
    """What a cluster stands for.

    Attributes:
        class_index: row of its class in the table, from 0; ``None`` where it stands for none.
        name: that of the class, or any that a person gave it; its number where it has none.
        kind: ``thing``, ``stuff``, or ``None`` where nobody said.
    """

    class_index: int | None
    name: str
    kind: str | None = None


@dataclass(frozen=True)
class ClusterMapping:
    """What clusters stand for. A cluster that is not in it stands for no class, as -1 does.

    Attributes:
        clusters: by number of the cluster.
        rule: how it came about.
        fitted_on: the photos whose ground truth it was fitted to; ``None`` where none was used.
    """

    clusters: Mapping[int, MappedCluster]
    rule: str = "by hand"
    fitted_on: str | None = None

    def class_of(self, cluster: int) -> int | None:
        """The class that a cluster stands for, if any."""
        return self.clusters[cluster].class_index if cluster in self.clusters else None

    def for_classes(self, names: Sequence[str]) -> "ClusterMapping":
        """The same for a data set's classes, which are found **by name**: who edits a mapping edits names.

        A cluster that nobody named (its name is a number) stands for the class of its place. Names that are no class of
        the data set stand for none.

        Example:
            >>> mapping = read_mapping({"clusters": {"4": {"name": "cat", "class": 9}, "5": {"name": "sky"}}})
            >>> [mapping.for_classes(("dog", "cat")).class_of(cluster) for cluster in (4, 5)]
            [1, None]
        """
        place_of = {name: place for place, name in enumerate(names)}
        found = {}
        for cluster, own in self.clusters.items():
            place = place_of.get(own.name)
            unnamed = own.name in (str(cluster), str(own.class_index))
            if place is None and unnamed and own.class_index is not None and own.class_index < len(names):
                place = own.class_index
            found[cluster] = MappedCluster(place, own.name, own.kind)
        return ClusterMapping(found, self.rule, self.fitted_on)

    def facts(self) -> dict[str, Any]:
        """Rule, photos, and how many clusters stand for a class, for the protocol of scores."""
        return {
            "rule": self.rule,
            "fitted_on": self.fitted_on,
            "clusters": len(self.clusters),
            "clusters_without_class": sum(own.class_index is None for own in self.clusters.values()),
        }

    def map_labels(self, labels: Integer[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """The class of each pixel from its cluster; -1 is none in both.

        Raises:
            ValueError: a label below -1.
        """
        if labels.size and labels.min() < -1:
            raise ValueError(f"'labels' must be clusters from 0 on, or -1 for none, got {labels.min()}")
        return self._classes(int(labels.max(initial=-1)) + 1)[labels.astype(np.int64)]

    def merge(
        self, counts: Integer[np.ndarray, "classes clusters_and_none"]
    ) -> Int64[np.ndarray, "classes classes_and_none"]:
        """Adds up the columns of clusters that stand for one class, those of none in the last column.

        Raises:
            ValueError: a cluster stands for a class that the table does not have.
        """
        _check_counts(counts)
        columns = self._classes(counts.shape[1] - 1)
        if columns.max(initial=-1) >= len(counts):
            raise ValueError(f"'counts' must have the class {columns.max()} of the mapping, got {len(counts)} classes")
        merged = np.zeros((len(counts), len(counts) + 1), np.int64)
        np.add.at(merged.T, columns, counts.T)
        return merged

    def save(self, path: Path) -> None:
        """Writes a JSON file, a cluster a line, for :func:`read_mapping` and for people to edit."""
        head = json.dumps({"rule": self.rule, "fitted_on": self.fitted_on}, ensure_ascii=False)[1:-1]
        rows = [
            f'"{cluster}": ' + json.dumps(dict(zip(_FIELDS, self.clusters[cluster], strict=True)), ensure_ascii=False)
            for cluster in sorted(self.clusters)
        ]
        with replacing(path) as unfinished:
            unfinished.write_text(
                "{" + head + ', "clusters": {\n' + ",\n".join(rows) + "\n}}\n", encoding="utf-8", newline="\n"
            )

    def _classes(self, num_clusters: int) -> Int64[np.ndarray, " clusters_and_none"]:
        """Class of each cluster, and of the column or label -1 behind them; -1 for none."""
        classes = [self.class_of(cluster) for cluster in range(num_clusters)]
        return np.array([-1 if place is None else place for place in [*classes, None]], np.int64)


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
    check_choice("rule", rule, RULES)
    _check_counts(counts)
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


def read_mapping(source: str | Path | Mapping[str, Any]) -> ClusterMapping:
    """A mapping from a JSON file of :meth:`ClusterMapping.save`, edited or not, or from what was loaded from one.

    Its ``clusters`` are ``{"17": {"class": 3, "name": "cat", "kind": "thing"}}``; each field may be left out.

    Raises:
        ValueError: no JSON, or not in this format; the message names the cluster.

    Example:
        >>> read_mapping({"clusters": {"17": {"name": "cat"}}}).clusters
        {17: MappedCluster(class_index=None, name='cat', kind=None)}
    """
    loaded = loaded_json("mapping", source)
    rows = loaded.get("clusters") if isinstance(loaded, Mapping) else None
    if not isinstance(rows, Mapping):
        raise ValueError(f"'mapping' must be a dict with a dict 'clusters', got {loaded!r:.80}")
    rule, fitted_on = loaded.get("rule", "by hand"), loaded.get("fitted_on")
    if not isinstance(rule, str) or not isinstance(fitted_on, str | None):
        raise ValueError(f"'mapping': 'rule' and 'fitted_on' must be texts, got {rule!r} and {fitted_on!r}")
    if not all(str(number).isdecimal() for number in rows):
        raise ValueError(f"'mapping': clusters must be whole numbers, got {list(rows)!r:.80}")
    return ClusterMapping({int(number): _read_cluster(number, row) for number, row in rows.items()}, rule, fitted_on)


def _read_cluster(number: str | int, row: object) -> MappedCluster:
    where = f"'mapping': cluster {number}"
    if not isinstance(row, Mapping) or not set(row) <= set(_FIELDS):
        raise ValueError(f"{where} must be a dict of {', '.join(_FIELDS)}, got {row!r:.120}")
    place, name, kind = row.get("class"), row.get("name", str(number)), row.get("kind")
    if place is not None and (not isinstance(place, int) or isinstance(place, bool) or place < 0):
        raise ValueError(f"{where}: 'class' must be a number from 0 on or null, got {place!r}")
    if not isinstance(name, str):
        raise ValueError(f"{where}: 'name' must be a text, got {name!r}")
    if kind not in _KINDS:
        raise ValueError(f"{where}: 'kind' must be thing, stuff or null, got {kind!r}")
    return MappedCluster(place, name, kind)


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


def _check_counts(counts: np.ndarray) -> None:
    check_integers("counts", counts)
    if counts.ndim != 2 or 0 in counts.shape:
        raise ValueError(f"'counts' must be a table [classes, clusters + 1], got shape {list(counts.shape)}")
    if counts.min() < 0:
        raise ValueError(f"'counts' must hold numbers from 0 on, got {counts.min()}")
