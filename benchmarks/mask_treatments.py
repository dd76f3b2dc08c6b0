"""Turns masks over the token grid into scored masks over the photo, in two ways that are the same for every method."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation import load_preset
from segmentation.export.coco_files import coco_annotations
from segmentation.segments.candidates import Candidates
from segmentation.segments.grouping import GroupedTokens
from segmentation.segments.photo_segments import photo_segments
from segmentation.segments.pixel_masks import enlarged_masks
from segmentation.segments.score import Cues
from segmentation.segments.scored_masks import scored_masks
from segmentation.segments.segment import PhotoMasks, encode_masks

Treatment = Callable[[Tensor, Tensor, np.ndarray], list[dict[str, Any]]]


def as_found(masks: Tensor, tokens: Tensor, photo: np.ndarray) -> list[dict[str, Any]]:
    """Enlarges masks bilinearly and scores all the same, in the order in which they were found, as the papers do."""
    pixels = _pixels(photo)
    parts = enlarged_masks(masks.float(), pixels, refine=False)
    rles = [rle for part in parts for rle in encode_masks(part > 0.5)]
    areas, boxes = coco_mask.area(rles).tolist() if rles else [], coco_mask.toBbox(rles).tolist() if rles else []
    return [
        {
            "category_id": 1,
            "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")},
            "bbox": box,
            "area": int(area),
            "iscrowd": 0,
            "score": 1.0,
        }
        for rle, area, box in zip(rles, areas, boxes, strict=True)
        if area
    ]


def as_ours(
    masks: Tensor,
    tokens: Tensor,
    photo: np.ndarray,
    *,
    refine: bool = True,
    score: Callable[[Cues], Tensor] | None = None,
) -> list[dict[str, Any]]:
    """Scores, selects and refines masks as :mod:`segmentation` does with its pseudo-masks."""
    settings = replace(load_preset("photos"), semantic=False, refine=refine)
    count = len(masks)
    candidates = Candidates(
        masks,
        torch.ones(count, 1, dtype=torch.bool),
        torch.full((count,), -1),
        tokens.new_zeros(count, 1),
        torch.zeros(1, *masks.shape[1:], dtype=torch.long),
    )
    grouped, pixels = GroupedTokens(tokens, {"instance": candidates}), _pixels(photo)
    scored = scored_masks(grouped, pixels, settings, {"instance": settings.max_masks}, score)
    segments = photo_segments("instance", scored["instance"], pixels, refine=refine, clean=settings.clean)
    height, width = photo.shape[:2]
    return coco_annotations(PhotoMasks(height, width, settings.levels, tuple(segments), {}))


TREATMENTS: dict[str, Treatment] = {"as found": as_found, "scored, chosen and refined": as_ours}


def _pixels(photo: np.ndarray) -> Tensor:
    return torch.from_numpy(photo).permute(2, 0, 1).float().div_(255)
