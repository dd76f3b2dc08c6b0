"""Random photos and masks."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Masks = NDArray[np.bool_]


def photo_of(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def partition(rng: np.random.Generator, height: int, width: int, parts: int) -> Masks:
    """Smooth regions that share the picture, some with holes and islands."""
    noise = ndimage.gaussian_filter(rng.normal(size=(parts, height, width)), (0, 9, 9))
    labels = noise.argmax(axis=0)
    return np.stack([labels == part for part in range(parts) if (labels == part).any()])
