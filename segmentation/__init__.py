"""Label-free image segmentation on top of :mod:`graphpool`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "MaskSettings": "segmentation.config",
    "Panoptic": "segmentation.prediction.panoptic",
    "PanopticSegment": "segmentation.prediction.panoptic",
    "PhotoError": "segmentation.data.formats",
    "PhotoMasks": "segmentation.segments.segment",
    "Prediction": "segmentation.prediction.panoptic",
    "PseudoMasker": "segmentation.prediction.masker",
    "Segment": "segmentation.segments.segment",
    "Segmentor": "segmentation.prediction.segmentor",
    "TokenEncoder": "segmentation.models.encoder",
    "TrainSettings": "segmentation.config",
    "load_preset": "segmentation.config",
    "load_training": "segmentation.config",
    "preset_names": "segmentation.config",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that the package itself is imported in no time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """Lists what is imported already and the public names."""
    return sorted({*globals(), *__all__})
