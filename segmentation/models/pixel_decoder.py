"""Mask2Former's pixel decoder: deformable attention over three scales of an encoder's maps, then a finer map."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count, describe
from segmentation.models.deformable_attention import DeformableAttention, reference_points
from segmentation.models.layers import as_maps, as_pixels, feedforward, group_norm, run_layer, sine_positions


class PixelFeatures(NamedTuple):
    """The pixel decoder's maps, which the mask decoder reads."""

    mask_features: Float[Tensor, "batch channels height width"]  #: stride 4; products with mask embeddings are masks.
    maps: tuple[Tensor, Tensor, Tensor]  #: strides 32, 16 and 8, which queries attend to.


class PixelDecoder(nn.Module):
    """Decodes an encoder's maps to features of pixels.

    Cheng et al., *Masked-attention Mask Transformer* (2022): the pixels of strides 32, 16 and 8 attend to one another
    by deformable attention; the finest result is enlarged and added to the map of stride 4. Maps are enlarged to each
    other's sizes, so that these need not be exact multiples of one another.

    Args:
        in_channels: width of the encoder's maps.
        channels: width of the results, a multiple of 4 and of ``heads``.
        layers: number of layers of deformable attention.
        heads: number of attention heads.
        points: sampling points per head and level.
        feedforward: width of the hidden layer of the feed-forward networks.
        checkpointing: in training, compute each layer again for its gradient.

    Raises:
        TypeError, ValueError: an argument is no int, or out of range.

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
        """Decodes four maps of strides 4, 8, 16 and 32 to features of ``channels`` channels, in the same sizes.

        Raises:
            ValueError: there are not four maps of ``in_channels`` channels.
        """
        if len(maps) != 4:
            raise ValueError(f"'maps' must be four maps (strides 4, 8, 16, 32), got {len(maps)}")
        for image in maps:
            if image.dim() != 4 or image.size(1) != self.in_channels:
                raise ValueError(f"'maps' must have shape [batch, {self.in_channels}, h, w], got {describe(image)}")
        projected = [project(image) for project, image in zip(self.projections, reversed(maps[1:]), strict=True)]
        coarse, middle, fine = self._attend(projected)
        lateral = self.lateral(maps[0])
        finest = self.fuse(lateral + F.interpolate(fine, lateral.shape[-2:], mode="bilinear"))
        return PixelFeatures(self.mask_projection(finest), (coarse, middle, fine))

    def _attend(self, maps: list[Tensor]) -> list[Tensor]:
        """Runs all layers, in which each pixel attends to all maps."""
        shapes = [(image.size(2), image.size(3)) for image in maps]
        tokens = as_pixels(maps).contiguous()
        positions = torch.cat(
            [
                sine_positions(shape, self.channels, tokens.device, tokens.dtype) + embedding
                for shape, embedding in zip(shapes, self.scale_embedding, strict=True)
            ]
        )
        reference = reference_points(shapes, tokens.device)
        checkpointing = self.checkpointing and self.training
        for layer in self.layers:
            tokens = run_layer(layer, tokens, positions, reference, shapes, checkpointing=checkpointing)
        return as_maps(tokens, shapes)


class PixelLayer(nn.Module):
    """Deformable self-attention of the pixels of all maps and a feed-forward network, each followed by a norm."""

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
        """Updates the pixels of all maps; ``positions`` are added to queries only."""
        tokens = self.attention_norm(tokens + self.attention(tokens + positions, reference, tokens, shapes))
        return self.feedforward_norm(tokens + self.feedforward(tokens))


def _projection(in_channels: int, channels: int) -> nn.Sequential:
    """Makes the projection of a map to the width of the attention, initialised by Xavier's uniform distribution."""
    convolution = nn.Conv2d(in_channels, channels, 1)
    nn.init.xavier_uniform_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution, group_norm(channels, 32))


def _convolution(in_channels: int, channels: int, side: int) -> nn.Sequential:
    """Makes a convolution of the finest map, initialised by He's uniform distribution (gain of a linear layer)."""
    convolution = nn.Conv2d(in_channels, channels, side, padding=side // 2, bias=False)
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    return nn.Sequential(convolution, group_norm(channels, 32))
