"""The tokens of photos, as they are compared."""

import torch
from jaxtyping import Float
from torch import Tensor

from graphpool.layout import Layout
from graphpool.state import unit_tokens


def photo_tokens(keys: Float[Tensor, "batch tokens channels"], center: str) -> Float[Tensor, "batch tokens channels"]:
    """Unit features of the tokens of photos of one size, centred photo by photo as for grouping.

    Args:
        keys: of the photos, fp32.
        center: ``"graph"`` or ``"none"``.

    Example:
        >>> photo_tokens(torch.tensor([[[3.0, 0.0], [1.0, 0.0]]]), "graph")
        tensor([[[ 1.,  0.],
                 [-1.,  0.]]])
    """
    batch = torch.arange(len(keys), device=keys.device).repeat_interleave(keys.size(1))
    return unit_tokens(keys.flatten(0, 1), Layout.of(batch, len(keys)), center).view_as(keys)
