"""Semantic maps as pictures."""

from pathlib import Path

import numpy as np
from jaxtyping import Int16
from PIL import Image

from segmentation.base.replace_file import replacing

NONE = 65535


def write_semantic_map(path: Path, clusters: Int16[np.ndarray, "height width"]) -> None:
    """Writes a grey PNG of 16 bits: the cluster of each pixel, 65535 where there is none.

    Args:
        path: the file.
        clusters: of each pixel, -1 for none.
    """
    with replacing(path) as unfinished:
        Image.fromarray(clusters.astype(np.uint16)).save(unfinished, format="PNG")  # -1 becomes 65535
