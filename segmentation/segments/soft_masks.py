"""Token masks with soft edges: how much more each token resembles the segment than what surrounds it."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

TEMPERATURE = 0.1


def surroundings(masks: Bool[Tensor, "masks rows columns"]) -> Bool[Tensor, "masks rows columns"]:
    """The ring of tokens around each mask, corners included."""
    return (F.max_pool2d(masks[None].float(), 3, 1, 1)[0] > 0) & ~masks


def mean_tokens(
    masks: Bool[Tensor, "masks rows columns"], tokens: Float[Tensor, "tokens channels"]
) -> Float[Tensor, "masks channels"]:
    """Mean token of each mask; zero where a mask is empty."""
    weight = masks.flatten(1).to(tokens.dtype)
    return weight @ tokens / weight.sum(1, keepdim=True).clamp(min=1)


def soft_masks(
    masks: Bool[Tensor, "masks rows columns"], tokens: Float[Tensor, "tokens channels"]
) -> Float[Tensor, "masks rows columns"]:
    r"""Masks in [0, 1] that, enlarged and cut at 0.5, follow what the tokens show rather than the squares of the grid.

    A token t of a mask or of the ring around it belongs to the mask with
    :math:`\sigma((t \cdot (p - q) - (p \cdot p - q \cdot q) / 2) / 0.1)`, where p is the mean token of the mask and
    q that of the ring: the line half-way between both. The result is the mean of this and of the mask itself, so that
    no token changes sides by itself: only where the edge runs between two tokens changes.

    Args:
        masks: over the token grid, ``[S, rows, columns]``.
        tokens: unit features of the tokens, row by row, ``[rows * columns, channels]``.

    Example:
        >>> tokens = torch.tensor([[1.0, 0.0], [0.9, 0.44], [0.6, 0.8], [0.0, 1.0]])  # one row of four tokens
        >>> mask = torch.tensor([[[True, True, False, False]]])
        >>> soft_masks(mask, tokens).mul(100).round().int().tolist()
        [[[99, 85, 5, 0]]]
    """
    ring = surroundings(masks)
    inside, outside = mean_tokens(masks, tokens), mean_tokens(ring, tokens)
    middle = (inside.square().sum(1) - outside.square().sum(1)) / 2
    closer = ((inside - outside) @ tokens.T - middle.unsqueeze(1)).view(masks.shape)
    belongs = torch.sigmoid(closer / TEMPERATURE) * (masks | ring)
    return (belongs + masks) / 2
