"""Pooling as mask settings say."""

from typing import Any

from graphpool import OnlineAgglomerativePooling
from segmentation.config.masks import MaskSettings


def make_pool(settings: MaskSettings, **changes: Any) -> OnlineAgglomerativePooling:
    """What groups tokens into segments.

    Args:
        settings: how.
        changes: arguments of the layer that replace theirs.

    Example:
        >>> from segmentation.config import load_preset
        >>> make_pool(load_preset("paper"), semantic=False).thresholds
        (0.8, 0.7, 0.6, 0.5, 0.4)
    """
    own: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("thresholds", "feature_weight", "temperature", "min_area", "semantic", "features", "center")
    }
    return OnlineAgglomerativePooling(**own | changes)
