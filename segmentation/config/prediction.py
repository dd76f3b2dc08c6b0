"""Settings of what is made of a trained model's output."""

from typing import Any

from pydantic import StrictBool

from segmentation.config.checked import Count, CountOrZero, NonNegative, Share, Similarity, check_changes, settings
from segmentation.config.training import TrainSettings

_CONFIDENCE = {"score": 0.2, "one": 0.5}  # by what objectness is taught to be
_OF_MASKS = ("size", "max_masks", "max_overlap", "max_share", "refine", "snap", "clean")


@settings()
class PredictionSettings:
    """How segments and maps are made of a trained model's output for a photo."""

    size: Count  #: side in pixels of a square with as many pixels as a resized photo has; photos keep their shape.
    max_masks: Count  #: largest number of segments per photo and kind.
    max_overlap: Share  #: largest IoU of a segment with a better one; above it, it is dropped as a near-duplicate.
    max_share: Share  #: largest share of the photo that a segment may cover.
    refine: StrictBool  #: whether a guided filter fits masks to the edges of the photo.
    confidence: Share  #: smallest objectness, times the thingness of the cluster, of a query in the panoptic map.
    #: threshold that chooses the pooling level whose supernodes masks are made of; ``None`` leaves masks as predicted.
    snap: Similarity | None = None
    #: share of a mask's largest part below which its other parts are dropped and its holes filled, see
    #: :class:`~segmentation.config.masks.MaskSettings`.
    clean: Share = 0.0
    overlap: Share = 0.5  #: smallest share of a query's mask that other queries must leave it in the panoptic map.
    stuff_area: CountOrZero = 4096  #: smallest area of a segment of stuff in the panoptic map, in pixels of the photo.
    semantic_threshold: NonNegative = 0.0  #: smallest sum of objectness times mask of a cluster in the semantic map.


def prediction_settings(training: TrainSettings, **changes: Any) -> PredictionSettings:
    """Returns the settings that fit a model: size and choice of masks are those of its training.

    A model whose objectness is taught to be the score of a segment needs a lower confidence than one that is taught to
    say 1.

    Args:
        training: settings of the model's training.
        changes: settings that replace them.

    Raises:
        TypeError, ValueError: an unknown setting, or a value of the wrong type or outside its range.

    Example:
        >>> from segmentation.config import load_training
        >>> settings = prediction_settings(load_training("scenes"), stuff_area=64)
        >>> settings.size, settings.confidence
        (128, 0.2)
    """
    check_changes(list(PredictionSettings.__dataclass_fields__), changes)
    fitting = {name: getattr(training.masks, name) for name in _OF_MASKS}
    fitting["confidence"] = _CONFIDENCE[training.losses.objectness_target]
    return PredictionSettings(**fitting | changes)
