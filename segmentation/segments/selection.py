"""Scores the candidates of a photo, chooses the best, and makes their masks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import KINDS, MaskSettings
from segmentation.segments.candidates import Candidates
from segmentation.segments.clean_masks import clean_masks
from segmentation.segments.grouping import GroupedTokens
from segmentation.segments.pixel_masks import filter_by_photo, pixel_masks, soft_masks
from segmentation.segments.score import Cues, SegmentScore, segment_cues
from segmentation.segments.segment import Rle, Segment, encode_masks

CELL = 4  # pixels per token of masks before they get the size of the photo
_MANY_CELL = 2  # at which candidates are looked at where there are many of them
_MOST_CANDIDATES = 1000  # of a photo and kind that are filtered


def pixels_per_token(tokens: str) -> int:
    """Returns at how many pixels a token candidates are compared: fewer where tokens are pixels of the finest map.

    Args:
        tokens: ``"keys"`` or ``"map"``, see :class:`~segmentation.config.training.TeacherSettings`.
    """
    return CELL if tokens == "keys" else CELL // 2


@dataclass(frozen=True)
class Selection:
    """The candidates that were chosen.

    Attributes:
        index: indices of the chosen among the candidates, best score first, ``[M]``.
        levels: levels at which each lives, including those of the near-duplicates that it replaces,
            ``[M, num_levels]``.
        parent: position in ``index`` of the next chosen ancestor that is larger and contains more than half of it,
            ``[M]``; -1 for none.
    """

    index: Int[Tensor, " chosen"]
    levels: Bool[Tensor, "chosen levels"]
    parent: Int[Tensor, " chosen"]


@dataclass(frozen=True)
class ScoredMasks:
    """The chosen segments of one kind of one photo, best score first.

    Attributes:
        selection: which candidates they are.
        scores: score of each, in (0, 1], ``[M]``.
        soft: masks over the token grid (:func:`~segmentation.segments.pixel_masks.soft_masks`), ``[M, rows, columns]``.
        fine: masks at ``cell`` pixels per token, to be cut at 0.5, ``[M, cell rows, cell columns]``.
        features: features of each, as the hierarchy returned them, ``[M, channels]``.
    """

    selection: Selection
    scores: Float[Tensor, " chosen"]
    soft: Float[Tensor, "chosen rows columns"]
    fine: Float[Tensor, "chosen height width"]
    features: Float[Tensor, "chosen channels"]


@dataclass(frozen=True)
class _Ranking:
    """The score of candidates, times their thingness where that is known."""

    score: Callable[[Cues], Tensor]
    thingness: Callable[[Tensor], Tensor] | None

    def __call__(self, candidates: Candidates, tokens: Tensor, filtered: Tensor) -> Tensor:
        scores = self.score(segment_cues(candidates.masks, candidates.levels, tokens, filtered))
        return scores if self.thingness is None else scores * self.thingness(candidates.features)


def scored_masks(
    grouped: GroupedTokens,
    photo: Float[Tensor, "3 height width"],
    settings: MaskSettings,
    max_masks: Mapping[str, int],
    score: Callable[[Cues], Tensor] | None = None,
    cell: int = CELL,
    thingness: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, ScoredMasks]:
    """Scores and chooses the segments of one photo, kind by kind.

    Args:
        grouped: tokens and candidates of the photo.
        photo: the photo in [0, 1], on the device of the tokens.
        settings: limits of the choice, and the powers of the score.
        max_masks: the kinds that are wanted, with the largest number of segments of each.
        score: scores segments by their cues; ``None`` for that of the settings.
        cell: number of pixels per token of the masks that are returned, and at which candidates are looked at; of the
            many of balanced linkage at two pixels per token at most.
        thingness: factors of the scores of instance candidates, by their features ``[S, channels]``; ``None`` for 1.
    """
    score = SegmentScore(settings.score) if score is None else score
    return {
        kind: _choose(
            grouped.candidates[kind],
            grouped.tokens,
            photo,
            settings,
            most,
            _Ranking(score, thingness if kind == KINDS[0] else None),
            cell,
        )
        for kind, most in max_masks.items()
    }


def _choose(
    candidates: Candidates,
    tokens: Tensor,
    photo: Tensor,
    settings: MaskSettings,
    max_masks: int,
    ranking: _Ranking,
    cell: int,
) -> ScoredMasks:
    rows, columns = candidates.masks.shape[-2:]
    size = cell * rows, cell * columns
    if not len(candidates.masks):
        none = candidates.parent
        empty = tokens.new_zeros(0)
        soft, fine = empty.view(0, rows, columns), empty.view(0, *size)
        return ScoredMasks(Selection(none, candidates.levels, none), empty, soft, fine, candidates.features)
    candidates = _most_promising(candidates, tokens, ranking)
    soft = soft_masks(candidates.masks, tokens)
    small = min(cell, looking_cell(settings))
    filtered = _filtered(soft, photo, small)
    scores = ranking(candidates, tokens, filtered)
    seen = filtered if settings.refine else _enlarged(soft, small)
    compared = seen > 0.5
    selection = select_segments(
        scores,
        compared,
        candidates.levels,
        candidates.parent,
        max_overlap=settings.max_overlap,
        max_share=settings.max_share,
        max_masks=max_masks,
    )
    selection, chosen_scores = _rank_apart(selection, scores[selection.index], compared, settings.score.apart)
    index = selection.index
    chosen = soft.index_select(0, index)
    if not index.numel():
        fine = chosen.new_zeros(0, *size)
    elif small == cell:
        fine = seen.index_select(0, index)
    else:
        fine = _filtered(chosen, photo, cell) if settings.refine else _enlarged(chosen, cell)
    return ScoredMasks(selection, chosen_scores, chosen, fine, candidates.features.index_select(0, index))


def looking_cell(settings: MaskSettings) -> int:
    """Returns the number of pixels per token at which candidates are looked at."""
    return _MANY_CELL if settings.linkage == "balanced" else CELL


def _filtered(soft: Tensor, photo: Tensor, cell: int) -> Tensor:
    """Filters masks by a copy of the photo with so many pixels per token along each side."""
    size = cell * soft.size(1), cell * soft.size(2)
    return filter_by_photo(soft, F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0])


def _enlarged(soft: Tensor, cell: int) -> Tensor:
    return F.interpolate(soft[None], (cell * soft.size(1), cell * soft.size(2)), mode="bilinear")[0]


def _most_promising(candidates: Candidates, tokens: Tensor, ranking: _Ranking) -> Candidates:
    """Keeps the best candidates of large photos, by what the tokens say, as if all edges were crisp."""
    if len(candidates.masks) <= _MOST_CANDIDATES:
        return candidates
    crisp = torch.ones(len(candidates.masks), 1, 1, device=tokens.device)
    scores = ranking(candidates, tokens, crisp)
    kept = scores.topk(_MOST_CANDIDATES).indices.sort().values
    position = torch.full_like(candidates.parent, -1)
    position.index_copy_(0, kept, torch.arange(kept.numel(), device=kept.device))
    parent = candidates.parent
    above = parent[kept]
    while bool(((above >= 0) & (position[above] < 0)).any()):  # a parent that is not kept: its own parent
        above = torch.where((above >= 0) & (position[above] < 0), parent[above], above)
    return Candidates(
        candidates.masks[kept],
        candidates.levels[kept],
        torch.where(above >= 0, position[above], above),
        candidates.features[kept],
        candidates.labels,
    )


def _rank_apart(
    selection: Selection, scores: Tensor, masks: Bool[Tensor, "candidates height width"], power: float
) -> tuple[Selection, Tensor]:
    """Lowers the scores of chosen segments by their largest IoU with a better one, and sorts them again.

    A score is multiplied by :math:`(1 - IoU)^{o/6}`: what mostly repeats a better mask comes after what is new.
    """
    if power == 0 or not scores.numel():
        return selection, scores
    flat = masks[selection.index].flatten(1).float()
    common, area = flat @ flat.T, flat.sum(1)
    overlap = (common / (area + area.unsqueeze(1) - common)).tril(-1).amax(1)
    scores, order = (scores * (1 - overlap).clamp(min=1e-3) ** (power / 6)).sort(descending=True, stable=True)
    position = torch.empty_like(order).index_copy_(0, order, torch.arange(order.numel(), device=order.device))
    parent = selection.parent[order]
    parent = torch.where(parent >= 0, position[parent], parent)
    return Selection(selection.index[order], selection.levels[order], parent), scores


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
    """Chooses candidates greedily by score (non-maximum suppression).

    Args:
        score: scores ``[S]``; of equal ones the first wins.
        masks: the masks as they will be returned, at any size, ``[S, height, width]``.
        levels: levels at which each candidate lives.
        parent: index of the next larger candidate that contains each, -1 for none.
        max_overlap: a candidate whose IoU with a better one is larger is its near-duplicate and left out.
        max_share: candidates that cover a larger share of the photo are left out.
        max_masks: largest number of chosen candidates.
    """
    flat = masks.flatten(1).float()
    area = flat.sum(1)
    able = (area > 0) & (area <= max_share * flat.size(1))
    order = score.argsort(descending=True, stable=True)
    order = order[able[order]]
    common = flat[order] @ flat[order].T
    near = (common > max_overlap * (area[order] + area[order].unsqueeze(1) - common)).cpu().numpy()
    np.fill_diagonal(near, True)  # also for a max_overlap of 1
    candidates = order.tolist()
    chosen: list[int] = []
    stands_for = [-1] * score.numel()  # which chosen one each candidate is, or is a near-duplicate of
    taken = np.zeros(len(candidates), dtype=bool)
    for rank, candidate in enumerate(candidates):
        if taken[rank]:
            continue
        for duplicate in (near[rank] & ~taken).nonzero()[0].tolist():
            stands_for[candidates[duplicate]] = len(chosen)
        taken |= near[rank]
        chosen.append(candidate)
        if len(chosen) == max_masks:
            break
    index = torch.tensor(chosen, dtype=torch.long, device=score.device)
    joined = torch.zeros(len(chosen), levels.size(1), dtype=torch.long, device=score.device)
    representative = torch.tensor(stands_for, dtype=torch.long, device=score.device)
    represented = (representative >= 0).nonzero().view(-1)
    joined.index_add_(0, representative[represented], levels[represented].long())
    masks_chosen, size = flat[index], area[index].unsqueeze(1)
    # the near-duplicate that stands for a parent can be what the parent has beside the child
    holds = (masks_chosen @ masks_chosen.T > size / 2) & (size < size.T)
    parents = _chosen_parents(chosen, stands_for, parent.tolist(), holds.tolist())
    return Selection(index, joined > 0, torch.tensor(parents, dtype=torch.long, device=score.device))


def _chosen_parents(chosen: list[int], stands_for: list[int], parent: list[int], holds: list[list[bool]]) -> list[int]:
    """Finds the next chosen ancestor of each chosen candidate that is larger and contains most of it."""
    found = []
    for candidate, held_by in zip(chosen, holds, strict=True):
        ancestor = parent[candidate]
        while ancestor >= 0:
            holder = stands_for[ancestor]
            if holder >= 0 and held_by[holder]:
                break
            ancestor = parent[ancestor]
        found.append(stands_for[ancestor] if ancestor >= 0 else -1)
    return found


def photo_rles(
    kind: str,
    soft: Float[Tensor, "masks rows columns"],
    photo: Float[Tensor, "3 height width"],
    *,
    refine: bool,
    clean: float,
) -> list[Rle]:
    """Enlarges soft masks to the size of the photo, cleans them, and encodes them.

    Args:
        kind: kind of the masks.
        soft: masks on any grid over the photo.
        photo: the photo in [0, 1], on the device of the masks.
        refine: whether masks follow the edges of the photo.
        clean: share of a mask's largest part below which its other parts are dropped and its holes filled; of semantic
            masks, what is smaller than a cell of the grid; 0 for neither.
    """
    cell = photo[0].numel() / max(soft[0].numel(), 1) if len(soft) else 0.0
    least: dict[str, float] = {"share": clean} if kind == KINDS[0] else {"area": cell}
    rles: list[Rle] = []
    for part in pixel_masks(soft, photo, refine=refine):
        rles += encode_masks(clean_masks(part, **least) if clean else part)
    return rles


def photo_segments(
    kind: str, scored: ScoredMasks, photo: Float[Tensor, "3 height width"], *, refine: bool, clean: float = 0.0
) -> list[Segment]:
    """Enlarges scored masks to the size of the photo; those without a pixel there are left out.

    Args:
        kind: kind of the segments.
        scored: the masks.
        photo: the photo in [0, 1], on the device of the masks.
        refine: whether masks follow the edges of the photo.
        clean: see :func:`photo_rles`.

    Returns:
        Segments, best score first; parents are positions in this list.
    """
    rles = photo_rles(kind, scored.soft, photo, refine=refine, clean=clean)
    if not rles:
        return []
    areas = [int(coco_mask.area(rle)) for rle in rles]  # pycocotools counts the masks of a list in a uint8
    boxes = coco_mask.toBbox(rles).astype(int).tolist()
    levels = [tuple(row.nonzero().view(-1).tolist()) for row in scored.selection.levels.cpu()]
    scores, parents = scored.scores.tolist(), scored.selection.parent.tolist()
    position = np.cumsum([area > 0 for area in areas]) - 1
    segments = []
    for index, area in enumerate(areas):
        if area:
            # a mask of few tokens can have no pixel, or a parent no more pixels than its child: skip such parents
            parent = parents[index]
            while parent >= 0 and areas[parent] <= area:
                parent = parents[parent]
            above = int(position[parent]) if parent >= 0 else None
            segments.append(Segment(kind, scores[index], levels[index], above, area, tuple(boxes[index]), rles[index]))
    return segments
