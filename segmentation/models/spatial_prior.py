"""What the patches of a vision transformer are too coarse for: convolutions over the pixels, at four strides."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count

_GROUP = 16  # channels normalised together


class SpatialPrior(nn.Module):
    """Maps of a photo at strides 4, 8, 16 and 32 by a small convolutional network.

    The spatial prior module of Chen et al., *Vision Transformer Adapter for Dense Predictions* (2023), with group norms
    instead of batch norms: the same on one device and on many, for photos and for batches of them.

    Args:
        stem_channels: width of the first map; the others are two, four and four times as wide.

    Attributes:
        widths: channels of the maps.

    Raises:
        TypeError: ``stem_channels`` is no int.
        ValueError: it is less than 1.

    Example:
        >>> import torch
        >>> prior = SpatialPrior(16)
        >>> [tuple(found.shape[1:]) for found in prior(torch.rand(1, 3, 64, 42))]
        [(16, 16, 11), (32, 8, 6), (64, 4, 3), (64, 2, 2)]
    """

    def __init__(self, stem_channels: int = 64) -> None:
        super().__init__()
        width = check_count("stem_channels", stem_channels, 1)
        self.widths = (width, 2 * width, 4 * width, 4 * width)
        self.stem = nn.Sequential(
            _convolution(3, width, stride=2),
            _convolution(width, width, stride=1),
            _convolution(width, width, stride=1),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.steps = nn.ModuleList(_convolution(before, after, stride=2) for before, after in pairwise(self.widths))

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Four maps ``[batch, width, height / stride, width / stride]``, sizes rounded up."""
        maps = [self.stem(pixels)]
        for step in self.steps:
            maps.append(step(maps[-1]))
        return maps


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm over 16 channels at a time (Wu and He, 2018), or more where 16 do not divide them evenly."""
    most = max(channels // _GROUP, 1)
    return nn.GroupNorm(next(groups for groups in range(most, 0, -1) if channels % groups == 0), channels)


def _convolution(before: int, after: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), group_norm(after), nn.ReLU(inplace=True)
    )
