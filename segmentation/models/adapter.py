"""How tokens of a vision transformer and maps of several scales look at each other."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.models.deformable_attention import DeformableAttention, reference_points
from segmentation.models.spatial_prior import group_norm

LEVELS = 3  # strides 8, 16 and 32
_FEEDFORWARD_RATIO = 0.25
_EPS = 1e-6


class Layout(NamedTuple):
    """Where tokens and the pixels of maps lie in a photo.

    Attributes:
        grid: rows and columns of tokens.
        shapes: (height, width) of the maps, fine to coarse.
        token_centres: (x, y) in [0, 1].
        pixel_centres: the same of the pixels of all maps, row by row, one map after the other.
    """

    grid: tuple[int, int]
    shapes: tuple[tuple[int, int], ...]
    token_centres: Float[Tensor, "tokens 2"]
    pixel_centres: Float[Tensor, "pixels 2"]


def layout_of(grid: tuple[int, int], maps: Sequence[Tensor]) -> Layout:
    """The layout of a grid of tokens and of maps ``[batch, channels, height, width]``.

    Example:
        >>> layout_of((2, 3), [torch.rand(1, 8, 1, 2)]).pixel_centres
        tensor([[0.2500, 0.5000],
                [0.7500, 0.5000]])
    """
    shapes = tuple((found.size(2), found.size(3)) for found in maps)
    device = maps[0].device
    return Layout(grid, shapes, reference_points([grid], device), reference_points(shapes, device))


class Injector(nn.Module):
    r"""Adds what tokens find in the maps to them.

    Chen et al., *Vision Transformer Adapter for Dense Predictions* (2023), equation 1: tokens :math:`x` become
    :math:`x + \gamma \odot \mathrm{Attention}(\mathrm{norm}(x), \mathrm{norm}(c))` with deformable attention to the
    pixels :math:`c`. The gate :math:`\gamma` starts at zero, so that a pretrained transformer starts as it was. Nothing
    else is zero, so that the gate has a gradient.

    Args:
        channels: width of tokens and maps.
        heads, points, value_ratio: of :class:`~segmentation.models.deformable_attention.DeformableAttention`.

    Example:
        >>> layout = layout_of((2, 3), [torch.rand(1, 8, *size) for size in ((4, 6), (2, 3), (1, 2))])
        >>> tokens, pixels = torch.rand(1, 6, 8), torch.rand(1, 32, 8)
        >>> torch.equal(Injector(8, heads=2, points=4)(tokens, pixels, layout), tokens)
        True
    """

    def __init__(self, channels: int, heads: int, points: int, value_ratio: float = 1.0) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(channels, eps=_EPS)
        self.pixel_norm = nn.LayerNorm(channels, eps=_EPS)
        self.attention = DeformableAttention(channels, heads, LEVELS, points, value_ratio)
        self.gamma = nn.Parameter(torch.zeros(channels))

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens channels"],
        pixels: Float[Tensor, "batch pixels channels"],
        layout: Layout,
    ) -> Float[Tensor, "batch tokens channels"]:
        """The tokens of the patches, injected."""
        found = self.attention(
            self.token_norm(tokens), layout.token_centres, self.pixel_norm(pixels), list(layout.shapes)
        )
        return tokens + self.gamma * found


class Extractor(nn.Module):
    r"""Adds what maps find in the tokens to them.

    Chen et al. (2023), equations 2 and 3: pixels :math:`c` become :math:`\hat c = c + \mathrm{Attention}(
    \mathrm{norm}(c), \mathrm{norm}(x))` with deformable attention to the tokens :math:`x`, then :math:`\hat c +
    \mathrm{FFN}(\mathrm{norm}(\hat c))` with a :class:`ConvFeedForward`.

    Args:
        channels: width of tokens and maps.
        heads, points, value_ratio: of :class:`~segmentation.models.deformable_attention.DeformableAttention`.

    Example:
        >>> layout = layout_of((2, 3), [torch.rand(1, 8, *size) for size in ((4, 6), (2, 3), (1, 2))])
        >>> tokens, pixels = torch.rand(1, 6, 8), torch.rand(1, 32, 8)
        >>> Extractor(8, heads=2, points=4)(pixels, tokens, layout).shape
        torch.Size([1, 32, 8])
    """

    def __init__(self, channels: int, heads: int, points: int, value_ratio: float = 1.0) -> None:
        super().__init__()
        self.pixel_norm = nn.LayerNorm(channels, eps=_EPS)
        self.token_norm = nn.LayerNorm(channels, eps=_EPS)
        self.attention = DeformableAttention(channels, heads, 1, points, value_ratio)
        self.feedforward_norm = nn.LayerNorm(channels, eps=_EPS)
        self.feedforward = ConvFeedForward(channels)

    def forward(
        self,
        pixels: Float[Tensor, "batch pixels channels"],
        tokens: Float[Tensor, "batch tokens channels"],
        layout: Layout,
    ) -> Float[Tensor, "batch pixels channels"]:
        """The pixels of all maps, with what they extracted."""
        found = self.attention(self.pixel_norm(pixels), layout.pixel_centres, self.token_norm(tokens), [layout.grid])
        pixels = pixels + found
        return pixels + self.feedforward(self.feedforward_norm(pixels), layout.shapes)


class ConvFeedForward(nn.Module):
    """Two linear layers with a depthwise convolution over each map between them.

    Args:
        channels: width of the maps; the hidden layer has a quarter of it.

    Example:
        >>> ConvFeedForward(8)(torch.rand(1, 7, 8), [(2, 3), (1, 1)]).shape
        torch.Size([1, 7, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = max(round(_FEEDFORWARD_RATIO * channels), 1)
        self.first = nn.Linear(channels, width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.second = nn.Linear(width, channels)

    def forward(
        self, pixels: Float[Tensor, "batch pixels channels"], shapes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "batch pixels channels"]:
        """What to add to the pixels of maps of the given (height, width)."""
        maps = as_maps(self.first(pixels), shapes)
        return self.second(F.gelu(as_pixels([self.depthwise(found) for found in maps])))


class FourMaps(nn.Module):
    """The maps that the adapter ends with, strides 4, 8, 16 and 32.

    The finest is that of the convolutions, with the next one enlarged. To each the tokens of one stage are added, those
    of late stages to coarse maps, in the size of the map, and a projection of the keys, which are what segments are
    grouped by; then each is normalised by groups.

    Args:
        stem_channels: width of the finest map.
        channels: width of tokens, pixels and results.
        key_channels: width of the keys.
        center_keys: subtract the mean key of each photo first.

    Example:
        >>> layout = layout_of((2, 3), [torch.rand(1, 8, *size) for size in ((4, 6), (2, 3), (1, 2))])
        >>> stages, keys = [torch.rand(1, 6, 8), torch.rand(1, 6, 8)], torch.rand(1, 6, 16)
        >>> maps = FourMaps(4, 8, 16)(torch.rand(1, 4, 8, 11), torch.rand(1, 32, 8), stages, keys, layout)
        >>> [tuple(found.shape[1:]) for found in maps]
        [(8, 8, 11), (8, 4, 6), (8, 2, 3), (8, 1, 2)]
    """

    def __init__(self, stem_channels: int, channels: int, key_channels: int, center_keys: bool = False) -> None:
        super().__init__()
        self.center_keys = center_keys
        self.finest = nn.Conv2d(stem_channels, channels, 1)
        self.key_norm = nn.LayerNorm(key_channels)
        self.keys = nn.ModuleList(nn.Linear(key_channels, channels) for _ in range(1 + LEVELS))
        self.enlarge = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.norms = nn.ModuleList(group_norm(channels) for _ in range(1 + LEVELS))

    def forward(
        self,
        finest: Float[Tensor, "batch stem_channels height width"],
        pixels: Float[Tensor, "batch pixels channels"],
        stages: Sequence[Tensor],
        keys: Float[Tensor, "batch tokens key_channels"],
        layout: Layout,
    ) -> tuple[Tensor, ...]:
        """Four maps ``[batch, channels, height, width]`` of the stem's map, the coarser ones' pixels, tokens and keys.

        No gradient goes back into the keys, or what segments are grouped by would follow the masks of the day.
        """
        keys = keys.detach()
        normed = self.key_norm(keys - keys.mean(1, keepdim=True) if self.center_keys else keys)
        coarser = as_maps(pixels, layout.shapes)
        fine = self.finest(finest)
        maps = [fine + _resized(self.enlarge(coarser[0]), fine), *coarser]
        results = []
        for index, (norm, found) in enumerate(zip(self.norms, maps, strict=True)):
            stage = stages[math.ceil((index + 1) * len(stages) / len(maps)) - 1]
            (tokens,) = as_maps(stage + self.keys[index](normed), [layout.grid])
            results.append(norm(found + _resized(tokens, found)))
        return tuple(results)


def as_maps(pixels: Float[Tensor, "batch pixels channels"], shapes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Pixels of all maps, row by row, as maps ``[batch, channels, height, width]``."""
    parts = pixels.transpose(1, 2).split([height * width for height, width in shapes], 2)
    return [part.unflatten(2, shape) for part, shape in zip(parts, shapes, strict=True)]


def as_pixels(maps: Sequence[Tensor]) -> Float[Tensor, "batch pixels channels"]:
    """The inverse of :func:`as_maps`."""
    return torch.cat([found.flatten(2) for found in maps], 2).transpose(1, 2)


def _resized(maps: Tensor, like: Tensor) -> Tensor:
    """Maps in the size of others, smoothed where they shrink, which torch does in float32 only."""
    size = (like.size(2), like.size(3))
    return F.interpolate(maps.float(), size, mode="bilinear", antialias=True).to(maps.dtype)
