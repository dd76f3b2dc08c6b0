"""Label-free image segmentation on top of :mod:`graphpool`."""

from segmentation.config import MaskSettings, TrainSettings, load_preset, load_training, preset_names
from segmentation.data.formats import PhotoError
from segmentation.models.encoder import TokenEncoder
from segmentation.prediction.masker import PseudoMasker
from segmentation.prediction.panoptic import Panoptic, PanopticSegment, Prediction
from segmentation.prediction.segmentor import Segmentor
from segmentation.segments.segment import PhotoMasks, Segment

__all__ = [
    "MaskSettings",
    "Panoptic",
    "PanopticSegment",
    "PhotoError",
    "PhotoMasks",
    "Prediction",
    "PseudoMasker",
    "Segment",
    "Segmentor",
    "TokenEncoder",
    "TrainSettings",
    "load_preset",
    "load_training",
    "preset_names",
]
