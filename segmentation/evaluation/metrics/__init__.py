"""How good segments are: scores against ground truth, each with its protocol."""

from segmentation.evaluation.metrics.average_precision import AveragePrecision
from segmentation.evaluation.metrics.boundaries import match_boundaries, region_boundaries
from segmentation.evaluation.metrics.fit_plan import FitPlan
from segmentation.evaluation.metrics.hierarchy import evaluate_hierarchies
from segmentation.evaluation.metrics.hierarchy_quality import HierarchyQuality, HierarchyScores, score_levels
from segmentation.evaluation.metrics.instance import InstanceScores, evaluate_instances
from segmentation.evaluation.metrics.instance_quality import InstanceQuality
from segmentation.evaluation.metrics.mapping import fit_mapping
from segmentation.evaluation.metrics.panoptic_maps import PanopticEvaluation, evaluate_panoptic
from segmentation.evaluation.metrics.panoptic_quality import PanopticQuality
from segmentation.evaluation.metrics.regions import covering, rand_index, variation_of_information
from segmentation.evaluation.metrics.semantic_maps import SemanticEvaluation, evaluate_semantic
from segmentation.evaluation.metrics.semantic_quality import SemanticQuality
from segmentation.evaluation.truth.truth_maps import ClassList
from segmentation.prediction.clusters import ClusterMapping, read_mapping

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
