"""ViT-Adapter: keys and feature maps of four scales from a plain vision transformer."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count
from segmentation.models.adapter import LEVELS, Extractor, FeaturePyramid, Injector, Layout, SpatialPrior
from segmentation.models.layers import as_pixels, run_layer
from segmentation.models.vit import ViT

FINEST_STRIDE = 4  # of the maps, in pixels of the photo


class BlockTokens(NamedTuple):
    """Keys and tokens of a vision transformer. Those of a frozen one may be kept: they depend on the photos alone."""

    keys: Float[Tensor, "batch tokens channels"]  #: keys of the last self-attention.
    intermediates: tuple[Tensor, ...]  #: patch tokens ``[batch, tokens, channels]`` after each group of blocks.


class EncoderFeatures(NamedTuple):
    """Keys and feature maps of photos."""

    keys: Float[Tensor, "batch tokens channels"]  #: keys of the last self-attention.
    maps: tuple[Tensor, ...]  #: maps ``[batch, channels, height, width]`` of strides 4, 8, 16, 32, sizes rounded up.


class MultiScaleEncoder(nn.Module):
    """A timm vision transformer with the adapter that makes maps of several scales.

    Chen et al., *Vision Transformer Adapter for Dense Predictions* (2023): a small convolutional network
    (:class:`~segmentation.models.adapter.SpatialPrior`) computes maps of strides 4, 8, 16 and 32. The blocks of the
    transformer are split into groups; before each group the tokens attend to the maps of strides 8, 16 and 32
    (:class:`~segmentation.models.adapter.Injector`), after each these maps attend to the tokens
    (:class:`~segmentation.models.adapter.Extractor`). Two more extractors and a
    :class:`~segmentation.models.adapter.FeaturePyramid` follow. The class token and registers stay in the transformer.

    At the start injectors change nothing: keys equal those of :class:`~segmentation.models.encoder.TokenEncoder`.

    Args:
        name, weights, init, options: see :class:`~segmentation.models.vit.ViT`.
        freeze: keep the transformer as it is: no injectors, no gradients for its parameters.
        interactions: number of interaction blocks, the groups that the blocks are split into.
        heads, points, value_ratio: see :class:`~segmentation.models.deformable_attention.DeformableAttention`.
        stem_channels, map_channels, shrink, center_keys, zero_init: see
            :class:`~segmentation.config.training.AdapterSettings`.
        vit_shrink: factor by which photos are reduced for the transformer.
        checkpointing: in training, compute blocks, injectors and extractors again for their gradients.

    Attributes:
        name: timm's name of the transformer.
        patch_size: side of a token in pixels of the photo.
        channels: width of the maps.
        key_channels: width of the keys.

    Raises:
        TypeError, ValueError, FileNotFoundError, ConnectionError: see :class:`~segmentation.models.vit.ViT`; a
            ValueError also for more ``interactions`` than blocks, ``map_channels`` without ``freeze``, or ``zero_init``
            where keys and maps differ in width.

    Example:
        >>> size = {"embed_dim": 32, "depth": 2, "num_heads": 2}
        >>> encoder = MultiScaleEncoder(
        ...     "vit_tiny_patch16_224", init="random", options=size, interactions=2, heads=2, stem_channels=8
        ... )
        >>> features = encoder(torch.rand(1, 3, 32, 48))
        >>> features.keys.shape, [tuple(image.shape[2:]) for image in features.maps]
        (torch.Size([1, 6, 32]), [(8, 12), (4, 6), (2, 3), (1, 2)])
    """

    def __init__(
        self,
        name: str,
        weights: str | Path | None = None,
        *,
        init: str = "pretrained",
        options: Mapping[str, Any] | None = None,
        freeze: bool = False,
        interactions: int = 4,
        heads: int = 6,
        points: int = 4,
        value_ratio: float = 0.5,
        stem_channels: int = 64,
        map_channels: int | None = None,
        shrink: int = 1,
        center_keys: bool = False,
        zero_init: bool = False,
        vit_shrink: int = 1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_count("interactions", interactions, 1)
        self.shrink = check_count("shrink", shrink, 1)
        self.name, self.freeze, self.checkpointing = name, freeze, checkpointing
        self.vit = ViT(name, weights, init=init, options=options).requires_grad_(not freeze)
        self.vit_shrink = check_count("vit_shrink", vit_shrink, 1)
        self.patch_size, self.key_channels = self.vit.patch_size * vit_shrink, self.vit.key_channels
        self.channels = self.vit.channels if map_channels is None else check_count("map_channels", map_channels, 1)
        if map_channels is not None and not freeze:
            raise ValueError(f"'map_channels' must be None unless the transformer is frozen, got {map_channels}")
        if interactions > self.vit.depth:
            raise ValueError(f"'interactions' must be at most the {self.vit.depth} blocks, got {interactions}")
        ends = [self.vit.depth * index // interactions for index in range(interactions + 1)]
        ends[-1] -= 1  # the last block stands apart: keys are taken from its input
        self.groups = [range(first, end) for first, end in pairwise(ends)]
        sizes = (self.channels, heads, points, value_ratio)
        self.prior = SpatialPrior(stem_channels)
        self.projections = nn.ModuleList(nn.Conv2d(width, self.channels, 1) for width in self.prior.widths[1:])
        self.level_embeddings = nn.Parameter(torch.randn(LEVELS, self.channels))
        self.injectors = nn.ModuleList(Injector(*sizes) for _ in range(0 if freeze else interactions))
        self.extractors = nn.ModuleList(Extractor(*sizes) for _ in range(interactions))
        self.narrow = nn.ModuleList(
            nn.Identity() if map_channels is None else nn.Linear(self.vit.channels, map_channels)
            for _ in range(interactions)
        )
        self.extra_extractors = nn.ModuleList(Extractor(*sizes) for _ in range(2))
        self.maps = FeaturePyramid(stem_channels, self.channels, self.key_channels, center_keys, zero_init)

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"], tokens: BlockTokens | None = None
    ) -> EncoderFeatures:
        """Computes keys and maps of photos of one size.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.
            tokens: result of :meth:`block_tokens` for these photos, if it is known; only for a frozen encoder. It
                changes no bit of the features.

        Raises:
            TypeError, ValueError: see :meth:`~segmentation.models.vit.ViT.normalised`; a ValueError also for ``tokens``
                of another shape, or for an encoder that is not frozen.
        """
        normalised = self.vit.normalised(pixels)
        if tokens is not None:
            self._check_tokens(tokens, pixels)
        stem, maps, layout = self._spatial_prior(normalised)
        if self.freeze:
            keys, intermediates = self.block_tokens(pixels) if tokens is None else tokens
            intermediates = tuple(narrow(after) for narrow, after in zip(self.narrow, intermediates, strict=True))
            for extractor, after in zip(self.extractors, intermediates, strict=True):
                maps = self._run(extractor, maps, after, layout)
        else:
            (keys, intermediates), interacted = self._run_blocks(normalised, maps, layout)
            maps = self._run(self.extractors[-1], interacted, intermediates[-1], layout)
        for extractor in self.extra_extractors:
            maps = self._run(extractor, maps, intermediates[-1], layout)
        return EncoderFeatures(keys, self.maps(stem, maps, intermediates, keys, layout))

    def keys(
        self, pixels: Float[Tensor, "batch 3 height width"], blocks: int = 1
    ) -> Float[Tensor, "batch tokens channels"]:
        """Computes the keys of :meth:`forward` alone, and nothing that they do not need.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.
            blocks: number of blocks, counted from the last, whose keys stand side by side.
        """
        normalised = self.vit.normalised(pixels)
        if not self.freeze:
            _, maps, layout = self._spatial_prior(normalised)
            return self._run_blocks(normalised, maps, layout, last=False, blocks=blocks)[0].keys
        with torch.no_grad():
            return self._run_blocks(normalised, last=False, blocks=blocks)[0].keys

    @torch.no_grad()
    def block_tokens(self, pixels: Float[Tensor, "batch 3 height width"]) -> BlockTokens:
        """Computes the part of :meth:`forward` that the frozen transformer does, to be kept for later calls.

        Raises:
            ValueError: the encoder is not frozen, so that its tokens will change.
        """
        if not self.freeze:
            raise ValueError("'freeze' must be True for block_tokens, got False")
        return self._run_blocks(self.vit.normalised(pixels))[0]

    def _spatial_prior(self, pixels: Tensor) -> tuple[Tensor, Tensor, Layout]:
        """Returns the map of stride 4, the pixels of those of strides 8, 16 and 32, embedded, and their layout."""
        height, width = pixels.shape[2:]
        small = pixels
        if self.shrink > 1:
            size = -(-height // self.shrink), -(-width // self.shrink)
            small = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        stem, *coarser = self._run(self.prior, small)
        maps = [
            project(image) + embedding[:, None, None]
            for project, image, embedding in zip(self.projections, coarser, self.level_embeddings, strict=True)
        ]
        return stem, as_pixels(maps), Layout.of((height // self.patch_size, width // self.patch_size), maps)

    def _run_blocks(
        self,
        pixels: Tensor,
        maps: Tensor | None = None,
        layout: Layout | None = None,
        *,
        last: bool = True,
        blocks: int = 1,
    ) -> tuple[BlockTokens, Tensor | None]:
        """Runs the blocks of the transformer; tokens and maps, if there are any, interact before and after each group.

        The interaction after the last group is left out. Without ``last``, so are the last block and its tokens.
        """
        tokens, rotary = self.vit.embed(self._reduced(pixels))
        intermediates: list[Tensor] = []
        inputs: list[Tensor] = []  # of the blocks whose keys are taken
        for index, group in enumerate(self.groups):
            if index:
                intermediates.append(self.vit.patches(tokens))
            if maps is not None:
                if index:
                    maps = self._run(self.extractors[index - 1], maps, intermediates[-1], layout)
                injected = self._run(self.injectors[index], self.vit.patches(tokens), maps, layout)
                tokens = torch.cat([tokens[:, : self.vit.num_prefix_tokens], injected], 1)
            for block in group:
                if block >= self.vit.depth - blocks:
                    inputs.append(tokens)
                tokens = self._run(self.vit.through_block, block, tokens, rotary)
        inputs.append(tokens)
        if last:
            tokens = self._run(self.vit.through_block, self.vit.depth - 1, tokens, rotary)
            intermediates.append(self.vit.patches(tokens))
        keys = [self.vit.keys(own, block) for own, block in zip(inputs, range(-blocks, 0), strict=True)]
        return BlockTokens(keys[0] if blocks == 1 else torch.cat(keys, 2), tuple(intermediates)), maps

    def _reduced(self, pixels: Tensor) -> Tensor:
        """Reduces photos for the transformer."""
        if self.vit_shrink == 1:
            return pixels
        height, width = pixels.shape[2:]
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"'pixels' must have a height and width in multiples of {self.patch_size}, the patch of photos reduced "
                f"by {self.vit_shrink}, got {height} x {width}"
            )
        size = height // self.vit_shrink, width // self.vit_shrink
        return F.interpolate(pixels.float(), size, mode="bilinear", antialias=True).to(pixels.dtype)

    def _run(self, layer: Callable[..., Any], *inputs: Any) -> Any:
        return run_layer(layer, *inputs, checkpointing=self.checkpointing and self.training)

    def _check_tokens(self, tokens: BlockTokens, pixels: Tensor) -> None:
        if not self.freeze:
            raise ValueError("'tokens' must be None unless the encoder is frozen, got some")
        count, groups = pixels.size(2) * pixels.size(3) // self.patch_size**2, len(self.extractors)
        shapes, expected = [list(x.shape) for x in tokens.intermediates], [len(pixels), count, self.vit.channels]
        if shapes != [expected] * groups:
            raise ValueError(f"'tokens.intermediates' must be {groups} tensors of shape {expected}, got {shapes}")
