"""Graph pooling for PyTorch Geometric, by Online Agglomerative Pooling.

Every layer scores edges, groups nodes, reduces their features and connects what results, and returns a
:class:`Pooled`.
"""

from typing import TYPE_CHECKING

from graphpool.lazy_names import lazy_names

if TYPE_CHECKING:
    from graphpool.affinity_state import AffinityState
    from graphpool.agglomerative_pool import AgglomerativePool
    from graphpool.component_pool import ComponentPool
    from graphpool.components import Components, connected_components
    from graphpool.dendrogram import Dendrogram, agglomerate
    from graphpool.edge_contraction import contract_edges
    from graphpool.edge_scores import CosineEdgeScore, LinearEdgeScore
    from graphpool.hierarchy import Hierarchy, Level, MergeTree
    from graphpool.online_pooling import OnlineAgglomerativePooling
    from graphpool.partition import Partition
    from graphpool.pooled import Pooled
    from graphpool.regular_graphs import complete_graph, grid_graph
    from graphpool.segment_reduce import segment_mean, segment_sum
    from graphpool.similarity import affinity_similarity, affinity_similarity_pairs, feature_similarity
    from graphpool.spanning_forest import SpanningForest, maximum_spanning_forest
    from graphpool.vote import token_vote
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "graphpool.agglomerative_pool": ("AgglomerativePool",),
            "graphpool.component_pool": ("ComponentPool",),
            "graphpool.components": ("Components", "connected_components"),
            "graphpool.dendrogram": ("Dendrogram", "agglomerate"),
            "graphpool.edge_contraction": ("contract_edges",),
            "graphpool.regular_graphs": ("complete_graph", "grid_graph"),
            "graphpool.hierarchy": ("Hierarchy", "Level", "MergeTree"),
            "graphpool.online_pooling": ("OnlineAgglomerativePooling",),
            "graphpool.partition": ("Partition",),
            "graphpool.pooled": ("Pooled",),
            "graphpool.edge_scores": ("CosineEdgeScore", "LinearEdgeScore"),
            "graphpool.segment_reduce": ("segment_mean", "segment_sum"),
            "graphpool.similarity": ("affinity_similarity", "affinity_similarity_pairs", "feature_similarity"),
            "graphpool.affinity_state": ("AffinityState",),
            "graphpool.spanning_forest": ("SpanningForest", "maximum_spanning_forest"),
            "graphpool.vote": ("token_vote",),
        },
    )

__all__ = [
    "AffinityState",
    "AgglomerativePool",
    "ComponentPool",
    "Components",
    "CosineEdgeScore",
    "Dendrogram",
    "Hierarchy",
    "Level",
    "LinearEdgeScore",
    "MergeTree",
    "OnlineAgglomerativePooling",
    "Partition",
    "Pooled",
    "SpanningForest",
    "affinity_similarity",
    "affinity_similarity_pairs",
    "agglomerate",
    "complete_graph",
    "connected_components",
    "contract_edges",
    "feature_similarity",
    "grid_graph",
    "maximum_spanning_forest",
    "segment_mean",
    "segment_sum",
    "token_vote",
]
