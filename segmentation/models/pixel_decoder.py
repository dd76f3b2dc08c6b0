"""From the maps of an encoder to features of pixels: deformable attention over three scales, then a finer map."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphpool.checks import check_count, describe
from segmentation.models.deformable_attention import DeformableAttention, reference_points
from segmentation.models.layers import feedforward, sine_positions


class PixelFeatures(NamedTuple):
    """What a mask decoder reads.

    Attributes:
        mask_features: what masks are products with, stride 4.
        maps: what queries attend to, from coarse to fine: strides 32, 16, 8.
    """

    mask_features: Float[Tensor, "batch channels height width"]
    maps: tuple[Tensor, Tensor, Tensor]


class PixelDecoder(nn.Module):
    """Mask2Former's pixel decoder.

    Cheng et al., *Masked-attention Mask Transformer* (2022): the pixels of strides 32, 16 and 8 attend to one another
    by deformable attention; the finest result is enlarged and joined to the map of stride 4. Maps are joined by their
    sizes, so that these need not be exact multiples of one another.

    Args:
        in_channels: width of the given maps.
        channels: width of all results, a multiple of 4 and of ``heads``.
        layers: of deformable attention.
        heads: of each layer.
        points: places that a head reads in each map.
        feedforward: width of the hidden layer behind each attention.
        checkpointing: in training, compute each layer again for its gradient instead of keeping what it computed.

    Raises:
        TypeError: an argument is no int.
        ValueError: one is out of range.

    Example:
        >>> decoder = PixelDecoder(8, channels=16, layers=1, heads=2, points=4, feedforward=32)
        >>> maps = [torch.rand(1, 8, size, size + 1) for size in (16, 8, 4, 2)]
        >>> features = decoder(maps)
        >>> features.mask_features.shape, features.maps[0].shape
        (torch.Size([1, 16, 16, 17]), torch.Size([1, 16, 2, 3]))
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        layers: int = 6,
        heads: int = 8,
        points: int = 4,
        feedforward: int = 1024,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_count("in_channels", in_channels, 1)
        check_count("channels", channels, 4)
        check_count("layers", layers, 0)
        self.in_channels, self.channels, self.checkpointing = in_channels, channels, checkpointing
        self.projections = nn.ModuleList(_projection(in_channels, channels) for _ in range(3))
        self.scale_embedding = nn.Parameter(torch.randn(3, channels))
        self.layers = nn.ModuleList(PixelLayer(channels, heads, points, feedforward) for _ in range(layers))
        self.lateral = _convolution(in_channels, channels, 1)
        self.fuse = _convolution(channels, channels, 3).append(nn.ReLU())
        self.mask_projection = nn.Conv2d(channels, channels, 1)
        nn.init.kaiming_uniform_(self.mask_projection.weight, a=1)
        nn.init.zeros_(self.mask_projection.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Float[Tensor, "batch in_channels _ _"]]) -> PixelFeatures:
        """Features of the pixels of four maps.

        Args:
            maps: strides 4, 8, 16, 32, each ``[batch, in_channels, height, width]``.

        Returns:
            Features of ``channels`` channels, in the sizes of the given maps.

        Raises:
            ValueError: not four maps of ``in_channels`` channels.
        """
        if len(maps) != 4:
            raise ValueError(f"'maps' must be four maps (strides 4, 8, 16, 32), got {len(maps)}")
        for given in maps:
            if given.dim() != 4 or given.size(1) != self.in_channels:
                raise ValueError(f"'maps' must have shape [batch, {self.in_channels}, h, w], got {describe(given)}")
        projected = [project(given) for project, given in zip(self.projections, reversed(maps[1:]), strict=True)]
        coarse, middle, fine = self._attend(projected)
        lateral = self.lateral(maps[0])
        finest = self.fuse(lateral + F.interpolate(fine, lateral.shape[-2:], mode="bilinear"))
        return PixelFeatures(self.mask_projection(finest), (coarse, middle, fine))

    def _attend(self, maps: list[Tensor]) -> list[Tensor]:
        """The maps after all layers, in which each pixel reads all of them."""
        shapes = [(given.size(2), given.size(3)) for given in maps]
        tokens = torch.cat([given.flatten(2).transpose(1, 2) for given in maps], 1)
        positions = torch.cat(
            [
                sine_positions(shape, self.channels, tokens.device, tokens.dtype) + scale
                for shape, scale in zip(shapes, self.scale_embedding, strict=True)
            ]
        )
        reference = reference_points(shapes, tokens.device)
        for layer in self.layers:
            if self.checkpointing and self.training:
                tokens = checkpoint(
                    layer, tokens, positions, reference, shapes, use_reentrant=False, preserve_rng_state=False
                )
            else:
                tokens = layer(tokens, positions, reference, shapes)
        parts = tokens.split([height * width for height, width in shapes], 1)
        return [part.transpose(1, 2).unflatten(2, shape) for part, shape in zip(parts, shapes, strict=True)]


class PixelLayer(nn.Module):
    """Deformable attention of all pixels to all maps, then a feed-forward network, each with a norm behind the sum."""

    def __init__(self, channels: int, heads: int, points: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels, heads, levels=3, points=points)
        self.attention_norm = nn.LayerNorm(channels)
        self.feedforward = feedforward(channels, hidden)
        self.feedforward_norm = nn.LayerNorm(channels)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens channels"],
        positions: Float[Tensor, "tokens channels"],
        reference: Float[Tensor, "tokens 2"],
        shapes: Sequence[tuple[int, int]],
    ) -> Float[Tensor, "batch tokens channels"]:
        """The pixels of all maps, one map after the other, after this layer."""
        tokens = self.attention_norm(tokens + self.attention(tokens + positions, reference, tokens, shapes))
        return self.feedforward_norm(tokens + self.feedforward(tokens))


def _projection(in_channels: int, channels: int) -> nn.Sequential:
    """To the width of the attention; uniform after Xavier."""
    convolution = nn.Conv2d(in_channels, channels, 1)
    nn.init.xavier_uniform_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution, _group_norm(channels))


def _convolution(in_channels: int, channels: int, side: int) -> nn.Sequential:
    """A convolution of the finer map; uniform after He, for a linear layer."""
    convolution = nn.Conv2d(in_channels, channels, side, padding=side // 2, bias=False)
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    return nn.Sequential(convolution, _group_norm(channels))


def _group_norm(channels: int) -> nn.GroupNorm:
    """32 groups, or as many below that as divide the channels."""
    groups = next(groups for groups in range(min(32, channels), 0, -1) if channels % groups == 0)
    return nn.GroupNorm(groups, channels)
