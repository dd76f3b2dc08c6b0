"""How much the mask of a query looks like a thing of its own."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.segments.pixel_masks import filter_by_photo
from segmentation.segments.score import SegmentScore, segment_cues
from segmentation.segments.selection import CELL


def query_geometry(
    logits: Float[Tensor, "queries rows columns"],
    tokens: Float[Tensor, "tokens channels"],
    grid: tuple[int, int],
    photo: Float[Tensor, "3 height width"],
    score_of: SegmentScore | None = None,
) -> Float[Tensor, " queries"]:
    """The score that segments of pooling get, of the masks of queries: by tokens, border, size and edges.

    Args:
        logits: of the masks, on any grid over the photo.
        tokens: unit features of the photo's tokens, centred as for grouping.
        grid: their rows and columns.
        photo: in [0, 1], on the device of the masks.
        score_of: scores them by their cues; the default one without.

    Returns:
        In (0, 1]; of masks that have no token by more than half, the least there is.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[-9.0, 9.0, -9.0]] * 3, [[9.0, 9.0, 9.0]] * 3])
        >>> tokens = torch.eye(2)[[0, 1, 0] * 3]  # the column in the middle differs from what is beside it
        >>> column, everything = query_geometry(logits, tokens, (3, 3), torch.rand(3, 12, 12))
        >>> bool(column > everything)
        True
    """
    if not len(logits):
        return logits.new_zeros(0).float()
    shares = F.adaptive_avg_pool2d(logits.float().sigmoid()[None], grid)[0]
    size = CELL * grid[0], CELL * grid[1]
    small = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    masks = shares > 0.5
    levels = masks.new_ones(len(masks), 1)
    return (score_of or SegmentScore())(segment_cues(masks, levels, tokens, filter_by_photo(shares, small)))
