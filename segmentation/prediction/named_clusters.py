"""The clusters of a model, by the names that somebody gave them."""

from dataclasses import dataclass, field

from segmentation.evaluation.metrics.mapping import ClusterMapping


@dataclass(frozen=True)
class NamedClusters:
    """The clusters of a model. Those of one name are one: they count as the first of them.

    Attributes:
        number: of clusters.
        mapping: what they stand for, as far as somebody said.
        names: of each; its number where it has none.
        same: the first cluster of the same name, of each.
        is_thing: of the clusters in ``same`` of which somebody said so, whether they are things or stuff.

    Raises:
        ValueError: the mapping has a cluster that the model does not have, or says thing and stuff of one name.

    Example:
        >>> from segmentation.evaluation.metrics.mapping import read_mapping
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
