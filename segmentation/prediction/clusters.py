"""Maps the clusters of a model to classes, names and kinds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, Integer

from segmentation.base.inputs import check_integers, read_json
from segmentation.base.replace_file import replacing

_KINDS = ("thing", "stuff", None)
_FIELDS = ("class", "name", "kind")


class MappedCluster(NamedTuple):
    """The class, name and kind of a cluster.

    Attributes:
        class_index: index of its class, from 0; ``None`` for no class.
        name: name of the class, or any name that a person gave; by default its number.
        kind: ``thing``, ``stuff``, or ``None`` if unknown.
    """

    class_index: int | None
    name: str
    kind: str | None = None


@dataclass(frozen=True)
class ClusterMapping:
    """A mapping of clusters to classes. A cluster that is not in it has no class, as -1 has none.

    Attributes:
        clusters: mapped clusters by number.
        rule: rule by which it was fitted, or ``by hand``.
        fitted_on: photos whose ground truth it was fitted to; ``None`` for no ground truth.
    """

    clusters: Mapping[int, MappedCluster]
    rule: str = "by hand"
    fitted_on: str | None = None

    def class_of(self, cluster: int) -> int | None:
        """Returns the class of a cluster, if any."""
        return self.clusters[cluster].class_index if cluster in self.clusters else None

    def for_classes(self, names: Sequence[str]) -> "ClusterMapping":
        """Maps the clusters to another data set's classes, which are found **by name**: people edit names.

        A cluster without a name (its name is a number) keeps its class index. Names that are no class of the data set
        have none.

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
        """Returns rule, photos, and numbers of clusters, for the protocol of scores."""
        return {
            "rule": self.rule,
            "fitted_on": self.fitted_on,
            "clusters": len(self.clusters),
            "clusters_without_class": sum(own.class_index is None for own in self.clusters.values()),
        }

    def map_labels(self, labels: Integer[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """Maps a label map of clusters to one of classes; -1 is none in both.

        Raises:
            ValueError: a label below -1.
        """
        if labels.size and labels.min() < -1:
            raise ValueError(f"'labels' must be clusters from 0 on, or -1 for none, got {labels.min()}")
        return self._classes(int(labels.max(initial=-1)) + 1)[labels.astype(np.int64)]

    def merge(
        self, counts: Integer[np.ndarray, "classes clusters_and_none"]
    ) -> Int64[np.ndarray, "classes classes_and_none"]:
        """Adds up the columns of clusters of one class; those without a class go to the last column.

        Raises:
            ValueError: a cluster has a class that the table does not have.
        """
        check_counts(counts)
        columns = self._classes(counts.shape[1] - 1)
        if columns.max(initial=-1) >= len(counts):
            raise ValueError(f"'counts' must have the class {columns.max()} of the mapping, got {len(counts)} classes")
        merged = np.zeros((len(counts), len(counts) + 1), np.int64)
        np.add.at(merged.T, columns, counts.T)
        return merged

    def save(self, path: Path) -> None:
        """Writes a JSON file, one cluster per line, for :func:`read_mapping` and for people to edit."""
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
        """Lists the class of each cluster, then that of the label or column -1; -1 for none."""
        classes = [self.class_of(cluster) for cluster in range(num_clusters)]
        return np.array([-1 if place is None else place for place in [*classes, None]], np.int64)


def read_mapping(source: str | Path | Mapping[str, Any]) -> ClusterMapping:
    """Reads a mapping from a JSON file of :meth:`ClusterMapping.save`, edited or not, or from its loaded contents.

    Its ``clusters`` are ``{"17": {"class": 3, "name": "cat", "kind": "thing"}}``; each field may be left out.

    Raises:
        ValueError: no JSON, or not in this format; the message names the cluster.

    Example:
        >>> read_mapping({"clusters": {"17": {"name": "cat"}}}).clusters
        {17: MappedCluster(class_index=None, name='cat', kind=None)}
    """
    loaded = read_json("mapping", source)
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


@dataclass(frozen=True)
class NamedClusters:
    """The clusters of a model with their names. Clusters of one name count as the first of them.

    Attributes:
        number: number of clusters.
        mapping: names and kinds of clusters, as far as known.
        names: name of each cluster; by default its number.
        same: first cluster of the same name, for each cluster.
        is_thing: whether a cluster in ``same`` is a thing or stuff, where that is known.

    Raises:
        ValueError: the mapping has a cluster that the model does not have, or says thing and stuff of one name.

    Example:
        >>> rows = {"1": {"name": "sky", "kind": "stuff"}, "3": {"name": "sky"}}
        >>> NamedClusters(4, read_mapping({"clusters": rows})).same
        (0, 1, 2, 1)
    """

    number: int
    mapping: ClusterMapping = field(default_factory=lambda: ClusterMapping({}))
    names: tuple[str, ...] = field(init=False)
    same: tuple[int, ...] = field(init=False)
    is_thing: dict[int, bool] = field(init=False)

    def __post_init__(self) -> None:
        named = self.mapping.clusters
        unknown = [cluster for cluster in named if cluster >= self.number]
        if unknown:
            raise ValueError(f"'names' must be of clusters from 0 to {self.number - 1}, got {min(unknown)}")
        names = [named[cluster].name if cluster in named else str(cluster) for cluster in range(self.number)]
        first: dict[str, int] = {}
        same = [first.setdefault(name, cluster) for cluster, name in enumerate(names)]
        kinds: dict[int, str] = {}
        for cluster in sorted(named):
            kind = named[cluster].kind
            if kind is not None and kinds.setdefault(same[cluster], kind) != kind:
                raise ValueError(f"'names' must have one kind for {names[cluster]!r}, got thing and stuff")
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "same", tuple(same))
        object.__setattr__(self, "is_thing", {cluster: kind == "thing" for cluster, kind in kinds.items()})


def check_counts(counts: np.ndarray) -> None:
    """Refuses what is no table of counts ``[classes, clusters + 1]``."""
    check_integers("counts", counts)
    if counts.ndim != 2 or 0 in counts.shape:
        raise ValueError(f"'counts' must be a table [classes, clusters + 1], got shape {list(counts.shape)}")
    if counts.min() < 0:
        raise ValueError(f"'counts' must hold numbers from 0 on, got {counts.min()}")
