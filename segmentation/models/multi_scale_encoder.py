"""Keys and maps of four scales from a plain vision transformer."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphpool.checks import check_count
from segmentation.models.adapter import LEVELS, Extractor, FourMaps, Injector, Layout, as_pixels, layout_of
from segmentation.models.spatial_prior import SpatialPrior
from segmentation.models.vit import ViT

_EXTRA_EXTRACTORS = 2


class BlockTokens(NamedTuple):
    """What a frozen vision transformer gives for photos; it can be kept for the next time.

    Attributes:
        keys: of the last self-attention.
        intermediates: tokens of the patches after each group of blocks, ``[batch, tokens, channels]``.
    """

    keys: Float[Tensor, "batch tokens channels"]
    intermediates: tuple[Tensor, ...]


class EncoderFeatures(NamedTuple):
    """What a multi-scale encoder gives.

    Attributes:
        keys: of the last self-attention.
        maps: strides 4, 8, 16 and 32 of the pixels, ``[batch, channels, height, width]``, sizes rounded up.
    """

    keys: Float[Tensor, "batch tokens channels"]
    maps: tuple[Tensor, ...]


class _Spatial(NamedTuple):
    """The pixels of strides 8, 16 and 32, and where they lie."""

    pixels: Tensor
    layout: Layout


class _Progress(NamedTuple):
    """What goes into the last block, and what came out of the groups before."""

    tokens: Tensor
    rotary: Any
    stages: list[Tensor]


_Seen = TypeVar("_Seen", _Spatial, None)


class MultiScaleEncoder(nn.Module):
    """A timm vision transformer with the adapter that gives it maps of several scales.

    Chen et al., *Vision Transformer Adapter for Dense Predictions* (2023): maps of strides 8, 16 and 32 by convolutions
    (:class:`~segmentation.models.spatial_prior.SpatialPrior`) and the tokens look at each other. The blocks are split
    into groups; in front of each the tokens read the maps (:class:`~segmentation.models.adapter.Injector`), behind each
    the maps read the tokens (:class:`~segmentation.models.adapter.Extractor`). At the end two more extractors, a map of
    stride 4, the tokens of the groups and the keys added to the maps, and group norms. The class token and registers
    stay in the transformer.

    At the start injectors change nothing: keys equal those of :class:`~segmentation.models.encoder.TokenEncoder`.

    Args:
        name, weights, init, options: of the transformer, see :class:`~segmentation.models.vit.ViT`.
        freeze: keep the transformer as it is: no injectors, no gradients for its parameters.
        interactions: number of groups.
        heads, points, value_ratio: of :class:`~segmentation.models.deformable_attention.DeformableAttention`.
        stem_channels: width of the first convolutions.
        map_channels: width of the maps; None for that of the tokens. Narrow maps are quick, but nothing can be injected
            from them: only for a frozen transformer.
        shrink: how many times smaller photos are for the convolutions: 2 makes the strides of the maps 8, 16, 32 and
            64 pixels of the photo, and all that follows four times cheaper.
        center_keys: subtract the mean key of each photo before the keys are added to the maps.
        checkpointing: in training, compute blocks, injectors and extractors again for their gradients instead of
            keeping what they computed.

    Attributes:
        name: as given.
        patch_size: side of a token in pixels.
        channels: width of the maps.
        key_channels: width of the keys.

    Raises:
        TypeError, ValueError, FileNotFoundError, ConnectionError: see :class:`~segmentation.models.vit.ViT`, and
            ValueError for more ``interactions`` than blocks, ``heads`` that do not divide the values, or
            ``map_channels`` without ``freeze``.

    Example:
        >>> size = {"embed_dim": 32, "depth": 2, "num_heads": 2}
        >>> encoder = MultiScaleEncoder(
        ...     "vit_tiny_patch16_224", init="random", options=size, interactions=2, heads=2, stem_channels=8
        ... )
        >>> features = encoder(torch.rand(1, 3, 32, 48))
        >>> features.keys.shape, [tuple(found.shape[2:]) for found in features.maps]
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
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_count("interactions", interactions, 1)
        self.shrink = check_count("shrink", shrink, 1)
        self.name, self.freeze, self.checkpointing = name, freeze, checkpointing
        self.vit = ViT(name, weights, init=init, options=options).requires_grad_(not freeze)
        self.patch_size = self.vit.patch_size
        self.channels = self.vit.channels if map_channels is None else check_count("map_channels", map_channels, 1)
        if map_channels is not None and not freeze:
            raise ValueError(f"'map_channels' must be None unless the transformer is frozen, got {map_channels}")
        self.key_channels = self.vit.key_channels
        if interactions > self.vit.depth:
            raise ValueError(f"'interactions' must be at most the {self.vit.depth} blocks, got {interactions}")
        ends = [self.vit.depth * index // interactions for index in range(interactions + 1)]
        ends[-1] -= 1  # the last block stands apart: keys are taken in front of it
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
        self.extra_extractors = nn.ModuleList(Extractor(*sizes) for _ in range(_EXTRA_EXTRACTORS))
        self.maps = FourMaps(stem_channels, self.channels, self.key_channels, center_keys)

    def vit_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the transformer itself, which may want a learning rate of their own."""
        return self.vit.parameters()

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"], tokens: BlockTokens | None = None
    ) -> EncoderFeatures:
        """Keys and maps of a batch of photos of one size.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.
            tokens: what :meth:`block_tokens` gave for them, if it is known; only for a frozen encoder.

        Returns:
            The features. Those of a frozen encoder are the same, bit for bit, with and without ``tokens``.

        Raises:
            TypeError: ``pixels`` is no floating point tensor.
            ValueError: ``pixels`` or ``tokens`` of another shape, or tokens for an encoder that is not frozen.
        """
        normalised = self.vit.normalised(pixels)
        if tokens is not None:
            self._check_tokens(tokens, pixels)
        finest, spatial = self._look(normalised)
        if self.freeze:
            tokens = self.block_tokens(pixels) if tokens is None else tokens
            narrow = [layer(stage) for layer, stage in zip(self.narrow, tokens.intermediates, strict=True)]
            tokens = BlockTokens(tokens.keys, tuple(narrow))
            for extractor, stage in zip(self.extractors, tokens.intermediates, strict=True):
                spatial = self._extract(extractor, spatial, stage)
        else:
            progress, spatial = self._until_last_block(normalised, spatial)
            tokens = self._finish(progress)
            spatial = self._extract(self.extractors[-1], spatial, tokens.intermediates[-1])
        for extractor in self.extra_extractors:
            spatial = self._extract(extractor, spatial, tokens.intermediates[-1])
        return EncoderFeatures(
            tokens.keys, self.maps(finest, spatial.pixels, tokens.intermediates, tokens.keys, spatial.layout)
        )

    def keys(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        """The keys of :meth:`forward` alone: nothing that they do not need is computed."""
        normalised = self.vit.normalised(pixels)
        if not self.freeze:
            _, spatial = self._look(normalised)
            return self.vit.keys(self._until_last_block(normalised, spatial)[0].tokens)
        with torch.no_grad():
            return self.vit.keys(self._until_last_block(normalised, None)[0].tokens)

    @torch.no_grad()
    def block_tokens(self, pixels: Float[Tensor, "batch 3 height width"]) -> BlockTokens:
        """What the transformer gives for photos, to be kept for :meth:`forward`.

        Raises:
            ValueError: the encoder is not frozen, so that its tokens will change.
        """
        if not self.freeze:
            raise ValueError("'freeze' must be True for block_tokens, got False")
        return self._finish(self._until_last_block(self.vit.normalised(pixels), None)[0])

    def _look(self, pixels: Tensor) -> tuple[Tensor, _Spatial]:
        """The convolutions' map of stride 4, and the pixels of the coarser ones."""
        height, width = pixels.shape[2:]
        if self.shrink > 1:
            size = -(-height // self.shrink), -(-width // self.shrink)
            small = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        else:
            small = pixels
        finest, *coarser = self._compute(self.prior, small)
        maps = [
            project(found) + embedding[:, None, None]
            for project, found, embedding in zip(self.projections, coarser, self.level_embeddings, strict=True)
        ]
        layout = layout_of((height // self.patch_size, width // self.patch_size), maps)
        return finest, _Spatial(as_pixels(maps), layout)

    def _until_last_block(self, pixels: Tensor, spatial: _Seen) -> tuple[_Progress, _Seen]:
        """Everything that comes before the last block; with ``spatial``, tokens and maps look at each other."""
        tokens, rotary = self.vit.embed(pixels)
        stages: list[Tensor] = []
        for index, group in enumerate(self.groups):
            if index:
                stages.append(self.vit.patches(tokens))
            if spatial is not None:
                if index:
                    spatial = self._extract(self.extractors[index - 1], spatial, stages[-1])
                tokens = self._inject(self.injectors[index], tokens, spatial)
            for block in group:
                tokens = self._compute(self.vit.through_block, block, tokens, rotary)
        return _Progress(tokens, rotary, stages), spatial

    def _finish(self, progress: _Progress) -> BlockTokens:
        last = self._compute(self.vit.through_block, self.vit.depth - 1, progress.tokens, progress.rotary)
        return BlockTokens(self.vit.keys(progress.tokens), (*progress.stages, self.vit.patches(last)))

    def _inject(self, injector: nn.Module, tokens: Tensor, spatial: _Spatial) -> Tensor:
        prefix = tokens[:, : self.vit.num_prefix_tokens]
        return torch.cat([prefix, self._compute(injector, self.vit.patches(tokens), *spatial)], 1)

    def _extract(self, extractor: nn.Module, spatial: _Spatial, stage: Tensor) -> _Spatial:
        return spatial._replace(pixels=self._compute(extractor, spatial.pixels, stage, spatial.layout))

    def _compute(self, part: Callable[..., Any], *inputs: Any) -> Any:
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(part, *inputs, use_reentrant=False, preserve_rng_state=False)
        return part(*inputs)

    def _check_tokens(self, tokens: BlockTokens, pixels: Tensor) -> None:
        if not self.freeze:
            raise ValueError("'tokens' must be None unless the encoder is frozen, got some")
        count = pixels.size(2) * pixels.size(3) // self.patch_size**2
        shapes = [list(stage.shape) for stage in tokens.intermediates]
        expected = [pixels.size(0), count, self.vit.channels]
        if shapes != [expected] * len(self.extractors):
            raise ValueError(
                f"'tokens.intermediates' must be {len(self.extractors)} tensors of shape {expected}, got {shapes}"
            )
