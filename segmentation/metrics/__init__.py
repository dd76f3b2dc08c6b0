"""How good segments are: scores against ground truth, each with its protocol."""

from segmentation.metrics.average_precision import AveragePrecision
from segmentation.metrics.boundaries import region_boundaries
from segmentation.metrics.boundary_matching import match_boundaries
from segmentation.metrics.class_list import ClassList
from segmentation.metrics.fit_plan import FitPlan
from segmentation.metrics.hierarchy import evaluate_hierarchies
from segmentation.metrics.hierarchy_quality import HierarchyQuality, HierarchyScores
from segmentation.metrics.instance import InstanceScores, evaluate_instances
from segmentation.metrics.instance_quality import InstanceQuality
from segmentation.metrics.mapping import ClusterMapping, fit_mapping, read_mapping
from segmentation.metrics.panoptic import PanopticQuality
from segmentation.metrics.panoptic_maps import PanopticEvaluation, evaluate_panoptic
from segmentation.metrics.photo_levels import score_levels
from segmentation.metrics.regions import covering, rand_index, variation_of_information
from segmentation.metrics.semantic import SemanticQuality
from segmentation.metrics.semantic_maps import SemanticEvaluation, evaluate_semantic

__all__ = [
    "AveragePrecision",
    "ClassList",
    "ClusterMapping",
    "FitPlan",
    "HierarchyQuality",
    "HierarchyScores",
    "InstanceQuality",
    "InstanceScores",
    "PanopticEvaluation",
    "PanopticQuality",
    "SemanticEvaluation",
    "SemanticQuality",
    "covering",
    "evaluate_hierarchies",
    "evaluate_instances",
    "evaluate_panoptic",
    "evaluate_semantic",
    "fit_mapping",
    "match_boundaries",
    "rand_index",
    "read_mapping",
    "region_boundaries",
    "score_levels",
    "variation_of_information",
]
