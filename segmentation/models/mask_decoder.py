"""From features of pixels to masks: queries that look again and again at what they have found."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphpool.checks import check_count
from segmentation.models.masked_attention import MaskedAttentionLayer
from segmentation.models.pixel_decoder import PixelFeatures
from segmentation.models.position import sine_positions


class DecoderOutput(NamedTuple):
    """What the queries have found; instance queries first, then semantic ones.

    Attributes:
        masks: logits of the pixels of stride 4.
        objectness: logit of there being an object at all.
        queries: features of the queries, after the decoder's norm.
    """

    masks: Float[Tensor, "batch queries height width"]
    objectness: Float[Tensor, "batch queries"]
    queries: Float[Tensor, "batch queries channels"]


class MaskDecoder(nn.Module):
    """Mask2Former's decoder, with two kinds of queries.

    Cheng et al., *Masked-attention Mask Transformer* (2022): learned queries give masks; each layer lets a query read
    the pixels of its last mask, in one of three scales in turn. Instance and semantic queries go through the same
    weights. What tells them apart are two learned tokens, [INS] and [SEM], added to the query features of each kind
    at every layer, before its cross-attention.

    Args:
        channels: width of the queries and of the pixel features, a multiple of 4 and of ``heads``.
        layers: number of layers.
        heads: of both attentions of each.
        feedforward: width of the hidden layer of each.
        instance_queries: number of queries for instances.
        semantic_queries: number of queries for semantic regions.
        checkpointing: in training, compute each layer again for its gradient instead of keeping what it computed.

    Raises:
        TypeError: an argument is no int.
        ValueError: one is out of range.

    Example:
        >>> decoder = MaskDecoder(8, layers=3, heads=2, feedforward=16, instance_queries=4, semantic_queries=2)
        >>> maps = tuple(torch.rand(1, 8, size, size) for size in (2, 4, 8))
        >>> outputs = decoder(PixelFeatures(torch.rand(1, 8, 16, 16), maps))
        >>> len(outputs), outputs[-1].masks.shape  # of the learned queries, then after each layer
        (4, torch.Size([1, 6, 16, 16]))
    """

    def __init__(
        self,
        channels: int = 256,
        layers: int = 9,
        heads: int = 8,
        feedforward: int = 2048,
        instance_queries: int = 150,
        semantic_queries: int = 50,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_count("layers", layers, 0)
        self.counts = [
            check_count("instance_queries", instance_queries, 0),
            check_count("semantic_queries", semantic_queries, 0),
        ]
        self.channels, self.checkpointing = channels, checkpointing
        self.query_features = nn.Parameter(torch.randn(sum(self.counts), channels))
        self.query_positions = nn.Parameter(torch.randn(sum(self.counts), channels))
        self.level_tokens = nn.Parameter(torch.randn(2, channels) * 0.02)
        self.scale_embedding = nn.Parameter(torch.randn(3, channels))
        self.layers = nn.ModuleList(MaskedAttentionLayer(channels, heads, feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.mask_embedding = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )
        self.objectness = nn.Linear(channels, 1)
        nn.init.constant_(self.objectness.bias, math.log(0.1 / 0.9))  # most queries find nothing

    def forward(self, features: PixelFeatures) -> list[DecoderOutput]:
        """Masks of the learned queries, then those after each layer.

        Args:
            features: of a batch of photos, as :class:`~segmentation.models.pixel_decoder.PixelDecoder` gives them.

        Returns:
            ``layers + 1`` outputs.
        """
        pixels = [
            given.flatten(2).transpose(1, 2) + scale
            for given, scale in zip(features.maps, self.scale_embedding, strict=True)
        ]
        positions = [
            sine_positions((given.size(2), given.size(3)), self.channels, given.device, given.dtype)
            for given in features.maps
        ]
        kinds = torch.cat([token.expand(n, -1) for token, n in zip(self.level_tokens, self.counts, strict=True)])
        queries = self.query_features.expand(features.mask_features.size(0), -1, -1)
        outputs = [self._output(queries, features.mask_features)]
        for index, layer in enumerate(self.layers):
            scale = index % 3
            shape = (features.maps[scale].size(2), features.maps[scale].size(3))
            attended = attended_pixels(outputs[-1].masks, shape)
            inputs = (queries + kinds, self.query_positions, pixels[scale], positions[scale], attended)
            if self.checkpointing and self.training:
                queries = checkpoint(layer, *inputs, use_reentrant=False, preserve_rng_state=False)
            else:
                queries = layer(*inputs)
            outputs.append(self._output(queries, features.mask_features))
        return outputs

    def _output(self, queries: Tensor, mask_features: Tensor) -> DecoderOutput:
        normed = self.norm(queries)
        masks = torch.einsum("bqc,bchw->bqhw", self.mask_embedding(normed), mask_features)
        return DecoderOutput(masks, self.objectness(normed).squeeze(2), normed)


def attended_pixels(
    masks: Float[Tensor, "batch queries height width"], shape: tuple[int, int]
) -> Bool[Tensor, "batch queries tokens"]:
    """Which pixels of a map each query reads: those where its mask is more likely than not.

    Args:
        masks: logits.
        shape: (height, width) of the map.

    Returns:
        ``[batch, queries, height * width]``; no gradient goes back. A query whose mask is empty reads all pixels.

    Example:
        >>> attended_pixels(torch.tensor([[[[-1.0, 2.0]], [[-1.0, -1.0]]]]), (1, 2))
        tensor([[[False,  True],
                 [ True,  True]]])
    """
    inside = F.interpolate(masks.detach(), shape, mode="bilinear").flatten(2) >= 0
    return inside | ~inside.any(2, keepdim=True)
