"""Label-free image segmentation on top of :mod:`graphpool`."""

from segmentation.config import MaskSettings, load_preset, preset_names
from segmentation.data.decode import PhotoError
from segmentation.masker import PseudoMasker
from segmentation.models.encoder import TokenEncoder
from segmentation.segments.segment import PhotoMasks, Segment

__all__ = [
    "MaskSettings",
    "PhotoError",
    "PhotoMasks",
    "PseudoMasker",
    "Segment",
    "TokenEncoder",
    "load_preset",
    "preset_names",
]
