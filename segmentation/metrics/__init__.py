"""How good segments are: scores against ground truth, each with its protocol."""

from segmentation.metrics.hierarchy import HierarchyScores, evaluate_hierarchies, score_levels
from segmentation.metrics.instance import InstanceScores, evaluate_instances
from segmentation.metrics.regions import covering, rand_index, variation_of_information

__all__ = [
    "HierarchyScores",
    "InstanceScores",
    "covering",
    "evaluate_hierarchies",
    "evaluate_instances",
    "rand_index",
    "score_levels",
    "variation_of_information",
]
