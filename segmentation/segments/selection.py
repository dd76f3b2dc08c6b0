"""Chooses the best candidates of a photo and makes their masks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import MaskSettings
from segmentation.segments.grouping import Candidates
from segmentation.segments.pixel_masks import filter_by_photo, pixel_masks
from segmentation.segments.score import Cues, segment_cues
from segmentation.segments.segment import Segment, encode_masks
from segmentation.segments.soft_masks import soft_masks

CELL = 4  # pixels a token at which candidates are compared


@dataclass(frozen=True)
class Selection:
    """The chosen candidates.

    Attributes:
        index: of the chosen among the candidates, best score first, ``[M]``.
        levels: levels at which each lives, those of the near-duplicates that it stands for too, ``[M, num_levels]``.
        parent: place in ``index`` of the next chosen one up the tree that is larger and holds more than half of it,
            ``[M]``; -1 if none does.
    """

    index: Int[Tensor, " chosen"]
    levels: Bool[Tensor, "chosen levels"]
    parent: Int[Tensor, " chosen"]


def select_segments(
    score: Float[Tensor, " candidates"],
    masks: Bool[Tensor, "candidates height width"],
    levels: Bool[Tensor, "candidates levels"],
    parent: Int[Tensor, " candidates"],
    *,
    max_overlap: float,
    max_share: float,
    max_masks: int,
) -> Selection:
    """Greedy choice by score (non-maximum suppression).

    Args:
        score: ``[S]``; of equal ones the first wins.
        masks: as they will be returned, at any size, ``[S, height, width]``.
        levels: at which each lives.
        parent: index of the candidate that holds each next, -1 if none does.
        max_overlap: a candidate whose IoU with a better one is larger is its near-duplicate.
        max_share: candidates that cover more of the photo than this are left out.
        max_masks: how many to choose.
    """
    flat = masks.flatten(1).float()
    area = flat.sum(1)
    able = (area > 0) & (area <= max_share * flat.size(1))
    order = score.argsort(descending=True, stable=True)
    order = order[able[order]]
    common = flat[order] @ flat[order].T
    near = (common > max_overlap * (area[order] + area[order].unsqueeze(1) - common)).cpu().numpy()
    np.fill_diagonal(near, True)  # also for a max_overlap of 1
    chosen: list[int] = []
    stands_for = [-1] * score.numel()  # which chosen one each candidate is, or is a near-duplicate of
    taken = torch.zeros(order.numel(), dtype=torch.bool).numpy()
    place = order.tolist()
    for rank, candidate in enumerate(place):
        if taken[rank]:
            continue
        for other in (near[rank] & ~taken).nonzero()[0].tolist():
            stands_for[place[other]] = len(chosen)
        taken |= near[rank]
        chosen.append(candidate)
        if len(chosen) == max_masks:
            break
    index = torch.tensor(chosen, dtype=torch.long, device=score.device)
    joined = torch.zeros(len(chosen), levels.size(1), dtype=torch.long, device=score.device)
    known = torch.tensor(stands_for, dtype=torch.long, device=score.device)
    named = (known >= 0).nonzero().view(-1)
    joined.index_add_(0, known[named], levels[named].long())
    own, size = flat[index], area[index].unsqueeze(1)
    # the near-duplicate that stands for a parent can be what the parent has beside the child
    holds = (own @ own.T > size / 2) & (size < size.T)
    parents = _parents(chosen, stands_for, parent.tolist(), holds.tolist())
    return Selection(index, joined > 0, torch.tensor(parents, dtype=torch.long, device=score.device))


def _parents(chosen: list[int], stands_for: list[int], parent: list[int], holds: list[list[bool]]) -> list[int]:
    """The next chosen one up the tree of candidates that is larger and holds most of it."""
    found = []
    for candidate, held in zip(chosen, holds, strict=True):
        above = parent[candidate]
        while above >= 0:
            holder = stands_for[above]
            if holder >= 0 and held[holder]:
                break
            above = parent[above]
        found.append(stands_for[above] if above >= 0 else -1)
    return found


@dataclass(frozen=True)
class ChosenSegments:
    """The chosen candidates of one kind of one photo, best score first.

    Attributes:
        selection: which.
        scores: of each, ``[M]``.
        soft: masks over the token grid, ``[M, rows, columns]`` (:func:`~segmentation.segments.soft_masks.soft_masks`).
        seen: masks at 4 pixels a token, as they were compared, ``[M, 4 rows, 4 columns]``; cut at 0.5.
    """

    selection: Selection
    scores: Float[Tensor, " chosen"]
    soft: Float[Tensor, "chosen rows columns"]
    seen: Float[Tensor, "chosen height width"]


def choose_segments(
    candidates: Candidates,
    tokens: Float[Tensor, "tokens channels"],
    photo: Float[Tensor, "3 height width"],
    settings: MaskSettings,
    score_of: Callable[[Cues], Tensor],
    max_masks: int,
) -> ChosenSegments:
    """Scores the candidates and chooses among them.

    Args:
        candidates: of the photo, at least one.
        tokens: unit features of its tokens, centred as for grouping.
        photo: in [0, 1], on the device of the tokens.
        settings: which to choose.
        score_of: scores them by their cues.
        max_masks: how many.
    """
    soft = soft_masks(candidates.masks, tokens)
    rows, columns = soft.shape[-2:]
    small = F.interpolate(photo[None], (CELL * rows, CELL * columns), mode="bilinear", antialias=True)[0]
    filtered = filter_by_photo(soft, small)
    score = score_of(segment_cues(candidates.masks, candidates.levels, tokens, filtered))
    seen = filtered if settings.refine else F.interpolate(soft[None], small.shape[-2:], mode="bilinear")[0]
    selection = select_segments(
        score,
        seen > 0.5,
        candidates.levels,
        candidates.parent,
        max_overlap=settings.max_overlap,
        max_share=settings.max_share,
        max_masks=max_masks,
    )
    index = selection.index
    return ChosenSegments(selection, score[index], soft.index_select(0, index), seen.index_select(0, index))


def find_segments(
    kind: str,
    candidates: Candidates,
    tokens: Tensor,
    photo: Tensor,
    settings: MaskSettings,
    score_of: Callable[[Cues], Tensor],
) -> list[Segment]:
    """Scores the candidates, chooses, and makes their masks at the size of the photo; best score first.

    Args:
        kind: of the candidates.
        candidates: of the photo.
        tokens: unit features of its tokens, centred as for grouping, ``[tokens, channels]``.
        photo: ``[3, height, width]`` in [0, 1], on the device of the tokens.
        settings: which to choose.
        score_of: scores them by their cues.
    """
    if not candidates.masks.size(0):
        return []
    chosen = choose_segments(candidates, tokens, photo, settings, score_of, settings.max_masks)
    if not chosen.scores.numel():
        return []
    masks = pixel_masks(chosen.soft, photo, refine=settings.refine)
    return list(_segments(kind, chosen.selection, chosen.scores.tolist(), masks))


def _segments(kind: str, selection: Selection, scores: list[float], masks: Iterator[Tensor]) -> Iterator[Segment]:
    rles = [rle for part in masks for rle in encode_masks(part)]
    areas, boxes = coco_mask.area(rles).tolist(), coco_mask.toBbox(rles).astype(int).tolist()
    levels = [tuple(row.nonzero().view(-1).tolist()) for row in selection.levels.cpu()]
    # at the photo's size a mask of few tokens can have no pixel, or a parent no more than its child: the tree closes
    # over both
    parents = selection.parent.tolist()
    place = np.cumsum([area > 0 for area in areas]) - 1
    for index, area in enumerate(areas):
        if area:
            parent = parents[index]
            while parent >= 0 and areas[parent] <= area:
                parent = parents[parent]
            above = int(place[parent]) if parent >= 0 else None
            box = tuple(boxes[index])
            yield Segment(kind, scores[index], levels[index], above, area, box, rles[index])
