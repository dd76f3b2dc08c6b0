"""Masks as run lengths, COCO's way."""

import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

Rle = dict[str, Any]  # compressed: {"size": [height, width], "counts": bytes}


def encode_masks(masks: Bool[Tensor, "masks height width"]) -> list[Rle]:
    """The masks as compressed run lengths, which go down the columns.

    Example:
        >>> encode_masks(torch.eye(2, dtype=torch.bool)[None])
        [{'size': [2, 2], 'counts': b'0120'}]
    """
    columns_first = masks.transpose(1, 2).contiguous().to(torch.uint8).cpu().numpy()
    return coco_mask.encode(columns_first.T) if len(masks) else []


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """The mask, ``[height, width]``.

    Args:
        rle: compressed run lengths; ``counts`` may be bytes or a text.

    Example:
        >>> decode_mask({"size": [2, 2], "counts": "0120"}).tolist()
        [[True, False], [False, True]]
    """
    with warnings.catch_warnings():
        # pycocotools 2.0.11 and NumPy from 2.0: the array it wraps knows no copy keyword
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        mask: NDArray[np.bool_] = np.asarray(coco_mask.decode(rle)).view(bool)
    return mask
