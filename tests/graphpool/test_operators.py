"""Every public name, on every edge case, against a dense or literal oracle."""

from collections.abc import Callable

import pytest

import graphpool
from graphpool import CosineEdgeScore, LinearEdgeScore
from tests.graphpool.checks import functions, layers, results
from tests.graphpool.conftest import Case

CHECKS: dict[str, Callable[[Case], None]] = {
    "AffinityState": results.check_affinity_state,
    "AgglomerativePool": layers.check_agglomerative_pool,
    "ComponentPool": layers.check_component_pool,
    "Components": results.check_components_type,
    "CosineEdgeScore": layers.check_scorer(lambda: CosineEdgeScore(6, 4)),
    "Dendrogram": results.check_dendrogram,
    "Hierarchy": results.check_hierarchy,
    "Level": results.check_level,
    "LinearEdgeScore": layers.check_scorer(lambda: LinearEdgeScore(6)),
    "MergeTree": results.check_merge_tree,
    "OnlineAgglomerativePooling": layers.check_online_agglomerative_pooling,
    "Partition": results.check_partition,
    "Pooled": results.check_pooled_type,
    "SpanningForest": functions.check_spanning_forest,
    "affinity_similarity": functions.check_affinity_similarity,
    "affinity_similarity_pairs": functions.check_affinity_similarity_pairs,
    "agglomerate": functions.check_agglomerate,
    "complete_graph": functions.check_complete_graph,
    "connected_components": functions.check_connected_components,
    "contract_edges": functions.check_contract_edges,
    "feature_similarity": functions.check_feature_similarity,
    "grid_graph": functions.check_grid_graph,
    "maximum_spanning_forest": functions.check_maximum_spanning_forest,
    "segment_mean": functions.check_segment_mean,
    "segment_sum": functions.check_segment_sum,
    "token_vote": functions.check_token_vote,
}


def test_every_public_name_is_checked() -> None:
    assert sorted(CHECKS) == sorted(graphpool.__all__)


@pytest.mark.parametrize("name", graphpool.__all__)
def test_operator_on_edge_case(name: str, case: Case) -> None:
    CHECKS[name](case)
