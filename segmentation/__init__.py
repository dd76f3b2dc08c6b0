"""Label-free image segmentation on top of :mod:`graphpool`."""

from typing import TYPE_CHECKING

from graphpool.lazy_names import lazy_names

if TYPE_CHECKING:
    from segmentation.config import MaskSettings, TrainSettings, load_preset, load_training, preset_names
    from segmentation.data.formats import PhotoError
    from segmentation.models.encoder import TokenEncoder
    from segmentation.prediction.masker import PseudoMasker
    from segmentation.prediction.panoptic import Panoptic, PanopticSegment, Prediction
    from segmentation.prediction.segmentor import Segmentor
    from segmentation.segments.segment import PhotoMasks, Segment
    from segmentation.train import train_segmentor
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "segmentation.config": ("MaskSettings", "TrainSettings", "load_preset", "load_training", "preset_names"),
            "segmentation.data.formats": ("PhotoError",),
            "segmentation.models.encoder": ("TokenEncoder",),
            "segmentation.prediction.masker": ("PseudoMasker",),
            "segmentation.prediction.panoptic": ("Panoptic", "PanopticSegment", "Prediction"),
            "segmentation.prediction.segmentor": ("Segmentor",),
            "segmentation.segments.segment": ("PhotoMasks", "Segment"),
            "segmentation.train": ("train_segmentor",),
        },
    )

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
    "train_segmentor",
]
