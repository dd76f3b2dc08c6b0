"""Graph pooling for PyTorch Geometric, by Online Agglomerative Pooling.

Every layer scores edges, groups nodes, reduces their features and connects what results, and returns a
:class:`Pooled`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphpool.agglomerative import AgglomerativePool
    from graphpool.component import ComponentPool
    from graphpool.components import Components, connected_components
    from graphpool.contract import contract_edges
    from graphpool.graphs import complete_graph, grid_graph
    from graphpool.hierarchy import Hierarchy, Level
    from graphpool.online import OnlineAgglomerativePooling
    from graphpool.partition import Partition
    from graphpool.pooled import Pooled
    from graphpool.scores import CosineEdgeScore, LinearEdgeScore
    from graphpool.segment import segment_mean, segment_sum
    from graphpool.similarity import affinity_similarity, affinity_similarity_pairs, feature_similarity
    from graphpool.state import AffinityState
    from graphpool.tree import MergeTree
    from graphpool.vote import token_vote

__all__ = [
    "AffinityState",
    "AgglomerativePool",
    "ComponentPool",
    "Components",
    "CosineEdgeScore",
    "Hierarchy",
    "Level",
    "LinearEdgeScore",
    "MergeTree",
    "OnlineAgglomerativePooling",
    "Partition",
    "Pooled",
    "affinity_similarity",
    "affinity_similarity_pairs",
    "complete_graph",
    "connected_components",
    "contract_edges",
    "feature_similarity",
    "grid_graph",
    "segment_mean",
    "segment_sum",
    "token_vote",
]

_HOMES = {
    "AffinityState": "graphpool.state",
    "AgglomerativePool": "graphpool.agglomerative",
    "ComponentPool": "graphpool.component",
    "Components": "graphpool.components",
    "CosineEdgeScore": "graphpool.scores",
    "Hierarchy": "graphpool.hierarchy",
    "Level": "graphpool.hierarchy",
    "LinearEdgeScore": "graphpool.scores",
    "MergeTree": "graphpool.tree",
    "OnlineAgglomerativePooling": "graphpool.online",
    "Partition": "graphpool.partition",
    "Pooled": "graphpool.pooled",
    "affinity_similarity": "graphpool.similarity",
    "affinity_similarity_pairs": "graphpool.similarity",
    "complete_graph": "graphpool.graphs",
    "connected_components": "graphpool.components",
    "contract_edges": "graphpool.contract",
    "feature_similarity": "graphpool.similarity",
    "grid_graph": "graphpool.graphs",
    "segment_mean": "graphpool.segment",
    "segment_sum": "graphpool.segment",
    "token_vote": "graphpool.vote",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that the package itself is imported in no time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """Lists what is imported already and the public names."""
    return sorted({*globals(), *__all__})
