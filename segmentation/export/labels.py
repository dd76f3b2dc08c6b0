"""Label maps of a photo's levels, as NumPy arrays in one compressed file."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from segmentation.base.replace_file import replacing
from segmentation.segments.label_maps import enlarge_labels
from segmentation.segments.segment import PhotoMasks


def write_labels(path: Path, found: PhotoMasks) -> None:
    """Writes ``thresholds`` [L] and for each kind a label map of every level, ``[L, H, W]``, int32, labels from 1.

    Every pixel has a label at every level, also where the group of tokens is too small to be a segment; labels are
    numbered anew in each level.
    """
    maps = {
        kind: np.concatenate([_enlarged(level, found.height, found.width) for level in labels])
        for kind, labels in found.labels.items()
    }
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, thresholds=np.array(found.thresholds), **maps)  # type: ignore[arg-type]


def _enlarged(level: NDArray[np.int32], height: int, width: int) -> NDArray[np.int32]:
    """One level at a time: what the enlarging needs beside its result is several times as large."""
    return enlarge_labels(torch.from_numpy(level[None]), height, width).add_(1).numpy()
