"""Settings, typed and checked, and the presets that fill them."""

from segmentation.config.load import load_preset, load_training, preset_names
from segmentation.config.masks import MaskSettings
from segmentation.config.training import TrainSettings

__all__ = ["MaskSettings", "TrainSettings", "load_preset", "load_training", "preset_names"]
