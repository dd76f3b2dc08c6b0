"""What is made of a network's output for a photo."""

from dataclasses import dataclass, fields
from typing import Any

from graphpool.checks import check_count, check_number, describe
from segmentation.config.training import TrainSettings

_CONFIDENCE = {"score": 0.2, "one": 0.5}  # by what objectness is taught to be
_OF_MASKS = ("size", "max_masks", "max_overlap", "max_share", "refine", "snap")


@dataclass(frozen=True)
class PredictionSettings:
    """What is made of a network's output for a photo.

    Attributes:
        size: photos are resized to about as many pixels as a square of this side has, keeping their shape.
        max_masks: most segments a photo and kind.
        max_overlap: segments whose IoU with a better one is larger are near-duplicates, and left out.
        max_share: segments that cover more of the photo are left out.
        refine: whether masks follow the edges of the photo (guided filter).
        confidence: least objectness of what enters the panoptic map, times the thingness of the cluster.
        snap: least threshold of the level of pooling whose supernodes masks hold as a whole; ``None`` for none.
        overlap: least share of a panoptic segment that others leave of its mask.
        stuff_area: least area of a panoptic segment of stuff, in pixels of the photo.
        semantic_threshold: pixels of the semantic map where no cluster has as much have none.

    Raises:
        TypeError: a setting of the wrong type.
        ValueError: a setting outside its range.
    """

    size: int
    max_masks: int
    max_overlap: float
    max_share: float
    refine: bool
    confidence: float
    snap: float | None = None
    overlap: float = 0.5
    stuff_area: int = 4096
    semantic_threshold: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("size", 1), ("max_masks", 1), ("stuff_area", 0)):
            check_count(name, getattr(self, name), least)
        for name in ("max_overlap", "max_share", "confidence", "overlap"):
            check_number(name, getattr(self, name), 0, 1)
        check_number("semantic_threshold", self.semantic_threshold, 0, float("inf"))
        if not isinstance(self.refine, bool):
            raise TypeError(f"'refine' must be true or false, got {describe(self.refine)}")


def prediction_settings(training: TrainSettings, **changes: Any) -> PredictionSettings:
    """Those that fit a model: size and choice of masks are what it was taught with.

    A model whose objectness is taught to be the score of a segment needs less of it than one that is taught to say 1.

    Args:
        training: the settings of its training.
        changes: settings that replace them.

    Raises:
        TypeError, ValueError: no such setting, or a value that does not fit.

    Example:
        >>> from segmentation.config import load_training
        >>> settings = prediction_settings(load_training("scenes"), stuff_area=64)
        >>> settings.size, settings.confidence
        (128, 0.2)
    """
    known = [field.name for field in fields(PredictionSettings)]
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise ValueError(f"'changes' must be settings ({', '.join(known)}), got {', '.join(unknown)}")
    fitting = {name: getattr(training.masks, name) for name in _OF_MASKS}
    fitting["confidence"] = _CONFIDENCE[training.losses.objectness_target]
    return PredictionSettings(**fitting | changes)
