"""The parts of ViT-Adapter, by which tokens of a vision transformer and maps of four scales attend to each other.

Chen et al., *Vision Transformer Adapter for Dense Predictions* (2023).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count
from segmentation.models.deformable_attention import DeformableAttention, reference_points
from segmentation.models.layers import as_maps, as_pixels, group_norm

Tokens = Float[Tensor, "batch tokens channels"]
Pixels = Float[Tensor, "batch pixels channels"]  # of all maps, row by row, one map after the other

LEVELS = 3  # strides 8, 16 and 32
_CHANNELS_PER_GROUP = 16  # of group norms
_FEEDFORWARD_RATIO = 0.25
_EPS = 1e-6


class SpatialPrior(nn.Module):
    """Computes maps of a photo at strides 4, 8, 16 and 32 by convolutions.

    The spatial prior module of Chen et al. (2023), with group norms instead of batch norms, so that results depend
    neither on other photos nor on the number of devices.

    Args:
        stem_channels: width of the first map; the others are two, four and four times as wide.

    Attributes:
        widths: channels of the maps.

    Raises:
        TypeError, ValueError: ``stem_channels`` is no int, or below 1.

    Example:
        >>> prior = SpatialPrior(16)
        >>> [tuple(image.shape[1:]) for image in prior(torch.rand(1, 3, 64, 42))]
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
        """Returns four maps ``[batch, width, height / stride, width / stride]``, sizes rounded up."""
        maps = [self.stem(pixels)]
        for step in self.steps:
            maps.append(step(maps[-1]))
        return maps


class Layout(NamedTuple):
    """The shapes of a grid of tokens and of maps over the same photo, and their reference points in [0, 1].

    Example:
        >>> Layout.of((2, 3), [torch.rand(1, 8, 1, 2)]).pixel_centres
        tensor([[0.2500, 0.5000],
                [0.7500, 0.5000]])
    """

    grid: tuple[int, int]  #: rows and columns of tokens.
    shapes: tuple[tuple[int, int], ...]  #: (height, width) of the maps, fine to coarse.
    token_centres: Float[Tensor, "tokens 2"]  #: centres (x, y) of the tokens.
    pixel_centres: Float[Tensor, "pixels 2"]  #: centres (x, y) of the pixels of all maps.

    @classmethod
    def of(cls, grid: tuple[int, int], maps: Sequence[Tensor]) -> "Layout":
        """Returns the layout of a grid of tokens and of maps ``[batch, channels, height, width]``."""
        shapes, device = tuple((image.size(2), image.size(3)) for image in maps), maps[0].device
        return cls(grid, shapes, reference_points([grid], device), reference_points(shapes, device))


class Injector(nn.Module):
    r"""Adds to the tokens what they read from the maps.

    Chen et al. (2023), equation 1: tokens :math:`x` become
    :math:`x + \gamma \odot \mathrm{Attention}(\mathrm{norm}(x), \mathrm{norm}(c))` with deformable attention to the
    pixels :math:`c`. The gate :math:`\gamma` starts at zero, so that a pretrained transformer starts unchanged; nothing
    else does, so that the gate has a gradient.

    Args:
        channels: width of tokens and maps.
        heads, points, value_ratio: see :class:`~segmentation.models.deformable_attention.DeformableAttention`.

    Example:
        >>> layout = Layout.of((2, 3), [torch.rand(1, 8, *size) for size in ((4, 6), (2, 3), (1, 2))])
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

    def forward(self, tokens: Tokens, pixels: Pixels, layout: Layout) -> Tokens:
        """Updates the tokens of the patches from the pixels of all maps."""
        queries, values = self.token_norm(tokens), self.pixel_norm(pixels)
        return tokens + self.gamma * self.attention(queries, layout.token_centres, values, layout.shapes)


class Extractor(nn.Module):
    r"""Adds to the maps what they read from the tokens.

    Chen et al. (2023), equations 2 and 3: pixels :math:`c` become :math:`\hat c = c + \mathrm{Attention}(
    \mathrm{norm}(c), \mathrm{norm}(x))` with deformable attention to the tokens :math:`x`, then :math:`\hat c +
    \mathrm{FFN}(\mathrm{norm}(\hat c))` with a :class:`ConvFeedForward`.

    Args:
        channels: width of tokens and maps.
        heads, points, value_ratio: see :class:`~segmentation.models.deformable_attention.DeformableAttention`.

    Example:
        >>> layout = Layout.of((2, 3), [torch.rand(1, 8, *size) for size in ((4, 6), (2, 3), (1, 2))])
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

    def forward(self, pixels: Pixels, tokens: Tokens, layout: Layout) -> Pixels:
        """Updates the pixels of all maps from the tokens of the patches."""
        queries, values = self.pixel_norm(pixels), self.token_norm(tokens)
        pixels = pixels + self.attention(queries, layout.pixel_centres, values, [layout.grid])
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

    def forward(self, pixels: Pixels, shapes: Sequence[tuple[int, int]]) -> Pixels:
        """Transforms the pixels of maps of the given (height, width)."""
        maps = as_maps(self.first(pixels), shapes)
        return self.second(F.gelu(as_pixels([self.depthwise(image) for image in maps])))


class FeaturePyramid(nn.Module):
    """Makes the feature maps that the adapter ends with, of strides 4, 8, 16 and 32.

    The finest is the stem's, to which the next one is added, enlarged. To each map are added tokens, those of early
    groups of blocks to fine maps and those of late groups to coarse maps, and a projection of the keys, by which
    segments are grouped, both resized to the map. Then each map is normalised by groups of channels.

    Args:
        stem_channels: width of the stem's map.
        channels: width of tokens, pixels and results.
        key_channels: width of the keys.
        center_keys: subtract the mean key of each photo first.
        zero_init: let the finest map start as the keys, each repeated over the pixels of its patch. The projection of
            the keys starts as the identity, all that is added to them at zero, and the map is not normalised: pooling
            finds the segments of the keys in it at first, and finer ones as the rest is learned. Enlarged bilinearly,
            neighbours would be so alike that everything merges.

    Raises:
        ValueError: ``zero_init`` with keys and maps of different width.

    Example:
        >>> layout = Layout.of((2, 3), [torch.rand(1, 8, *size) for size in ((4, 6), (2, 3), (1, 2))])
        >>> tokens, keys = [torch.rand(1, 6, 8), torch.rand(1, 6, 8)], torch.rand(1, 6, 16)
        >>> maps = FeaturePyramid(4, 8, 16)(torch.rand(1, 4, 8, 11), torch.rand(1, 32, 8), tokens, keys, layout)
        >>> [tuple(image.shape[1:]) for image in maps]
        [(8, 8, 11), (8, 4, 6), (8, 2, 3), (8, 1, 2)]
    """

    def __init__(
        self, stem_channels: int, channels: int, key_channels: int, center_keys: bool = False, zero_init: bool = False
    ) -> None:
        super().__init__()
        self.center_keys, self.zero_init = center_keys, zero_init
        self.finest = nn.Conv2d(stem_channels, channels, 1)
        self.key_norm = nn.LayerNorm(key_channels)
        self.keys = nn.ModuleList(nn.Linear(key_channels, channels) for _ in range(1 + LEVELS))
        self.enlarge = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.norms = nn.ModuleList(group_norm(channels, channels // _CHANNELS_PER_GROUP) for _ in range(1 + LEVELS))
        if zero_init:
            self._start_from_keys(channels, key_channels)

    def _start_from_keys(self, channels: int, key_channels: int) -> None:
        if channels != key_channels:
            raise ValueError(f"'zero_init' needs maps as wide as the keys ({key_channels}), got {channels} channels")
        project_keys = nn.Linear(key_channels, channels)
        nn.init.eye_(project_keys.weight)
        nn.init.zeros_(project_keys.bias)
        self.keys[0] = project_keys
        for layer in (self.finest, self.enlarge):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.token_gate = nn.Parameter(torch.zeros(channels))
        self.norms[0] = nn.Identity()

    def forward(
        self,
        stem: Float[Tensor, "batch stem_channels height width"],
        pixels: Pixels,
        tokens: Sequence[Tokens],
        keys: Float[Tensor, "batch tokens key_channels"],
        layout: Layout,
    ) -> tuple[Tensor, ...]:
        """Joins the stem's map, the pixels of the coarser maps, the tokens after each group of blocks, and the keys.

        No gradient goes back into the keys: what segments are grouped by must not follow the masks.
        """
        keys = keys.detach()
        raw = keys - keys.mean(1, keepdim=True) if self.center_keys else keys
        keys = self.key_norm(raw)
        finest, coarser = self.finest(stem), as_maps(pixels, layout.shapes)
        maps = [finest + _resized(self.enlarge(coarser[0]), finest), *coarser]
        results = []
        for level, (image, norm, project_keys) in enumerate(zip(maps, self.norms, self.keys, strict=True)):
            group = math.ceil((level + 1) * len(tokens) / len(maps)) - 1
            if self.zero_init and not level:
                (added,) = as_maps(self.token_gate * tokens[group] + project_keys(raw), [layout.grid])
                results.append(norm(image + F.interpolate(added, image.shape[2:], mode="nearest-exact")))
                continue
            (added,) = as_maps(tokens[group] + project_keys(keys), [layout.grid])
            results.append(norm(image + _resized(added, image)))
        return tuple(results)


def _resized(image: Tensor, like: Tensor) -> Tensor:
    """Resizes to the size of another map, smoothing where it shrinks, which torch does in float32 only."""
    size = (like.size(2), like.size(3))
    return F.interpolate(image.float(), size, mode="bilinear", antialias=True).to(image.dtype)


def _convolution(before: int, after: int, *, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, group_norm(after, after // _CHANNELS_PER_GROUP), nn.ReLU(inplace=True))
