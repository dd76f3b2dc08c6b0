"""How good segments are: scores against ground truth, each with its protocol."""

from typing import TYPE_CHECKING

from graphpool.lazy_names import lazy_names

if TYPE_CHECKING:
    from segmentation.evaluation.metrics.average_precision import AveragePrecision
    from segmentation.evaluation.metrics.boundaries import match_boundaries, region_boundaries
    from segmentation.evaluation.metrics.hierarchy import evaluate_hierarchies
    from segmentation.evaluation.metrics.hierarchy_quality import HierarchyQuality, HierarchyScores, score_levels
    from segmentation.evaluation.metrics.instance import InstanceScores, evaluate_instances
    from segmentation.evaluation.metrics.instance_quality import InstanceQuality
    from segmentation.evaluation.metrics.mapping import FitPlan, fit_mapping
    from segmentation.evaluation.metrics.panoptic_maps import PanopticEvaluation, evaluate_panoptic
    from segmentation.evaluation.metrics.panoptic_quality import PanopticQuality
    from segmentation.evaluation.metrics.regions import covering, rand_index, variation_of_information
    from segmentation.evaluation.metrics.semantic_maps import SemanticEvaluation, evaluate_semantic
    from segmentation.evaluation.metrics.semantic_quality import SemanticQuality
    from segmentation.evaluation.truth.truth_maps import ClassList
    from segmentation.prediction.clusters import ClusterMapping, read_mapping
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "segmentation.evaluation.metrics.average_precision": ("AveragePrecision",),
            "segmentation.evaluation.metrics.boundaries": ("match_boundaries", "region_boundaries"),
            "segmentation.evaluation.metrics.hierarchy": ("evaluate_hierarchies",),
            "segmentation.evaluation.metrics.hierarchy_quality": (
                "HierarchyQuality",
                "HierarchyScores",
                "score_levels",
            ),
            "segmentation.evaluation.metrics.instance": ("InstanceScores", "evaluate_instances"),
            "segmentation.evaluation.metrics.instance_quality": ("InstanceQuality",),
            "segmentation.evaluation.metrics.mapping": ("FitPlan", "fit_mapping"),
            "segmentation.evaluation.metrics.panoptic_maps": ("PanopticEvaluation", "evaluate_panoptic"),
            "segmentation.evaluation.metrics.panoptic_quality": ("PanopticQuality",),
            "segmentation.evaluation.metrics.regions": ("covering", "rand_index", "variation_of_information"),
            "segmentation.evaluation.metrics.semantic_maps": ("SemanticEvaluation", "evaluate_semantic"),
            "segmentation.evaluation.metrics.semantic_quality": ("SemanticQuality",),
            "segmentation.evaluation.truth.truth_maps": ("ClassList",),
            "segmentation.prediction.clusters": ("ClusterMapping", "read_mapping"),
        },
    )

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
