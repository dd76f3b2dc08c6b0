"""The file in which somebody names the clusters of a model."""

from collections.abc import Iterable
from pathlib import Path

from segmentation.prediction.clusters import ClusterMapping, MappedCluster, read_mapping


def write_cluster_names(path: Path, found: Iterable[int], names: ClusterMapping) -> None:
    """Writes a mapping to edit: the clusters that are named, and those that were found, by their number.

    What somebody wrote into the file before stays, where ``names`` does not say otherwise.

    Args:
        path: the file.
        found: clusters.
        names: those that are named already.

    Raises:
        ValueError: there is a file that is no mapping.
    """
    before = read_mapping(path).clusters if path.exists() else {}
    new = {cluster: MappedCluster(None, str(cluster)) for cluster in found}
    ClusterMapping({**new, **before, **names.clusters}, names.rule, names.fitted_on).save(path)
