"""The best candidates of a photo, with soft masks that follow its edges."""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.masks import MaskSettings
from segmentation.segments.candidates import Candidates
from segmentation.segments.cues import Cues, segment_cues
from segmentation.segments.pixel_masks import filter_by_photo
from segmentation.segments.select import Selection, select_segments
from segmentation.segments.soft_masks import soft_masks

CELL = 4  # pixels a token at which candidates are compared


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
