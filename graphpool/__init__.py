"""Graph pooling for PyTorch Geometric, by Online Agglomerative Pooling.

Every layer scores edges, groups nodes, reduces their features and connects what results, and returns a
:class:`Pooled`.
"""

from typing import TYPE_CHECKING

from graphpool.lazy_names import lazy_names

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
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "graphpool.agglomerative": ("AgglomerativePool",),
            "graphpool.component": ("ComponentPool",),
            "graphpool.components": ("Components", "connected_components"),
            "graphpool.contract": ("contract_edges",),
            "graphpool.graphs": ("complete_graph", "grid_graph"),
            "graphpool.hierarchy": ("Hierarchy", "Level"),
            "graphpool.online": ("OnlineAgglomerativePooling",),
            "graphpool.partition": ("Partition",),
            "graphpool.pooled": ("Pooled",),
            "graphpool.scores": ("CosineEdgeScore", "LinearEdgeScore"),
            "graphpool.segment": ("segment_mean", "segment_sum"),
            "graphpool.similarity": ("affinity_similarity", "affinity_similarity_pairs", "feature_similarity"),
            "graphpool.state": ("AffinityState",),
            "graphpool.tree": ("MergeTree",),
            "graphpool.vote": ("token_vote",),
        },
    )

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
