"""Mask2Former's transformer decoder: learned queries become masks by masked attention over the pixel decoder's maps."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from graphpool.checks import check_count
from segmentation.models.layers import feedforward, run_layer, sine_positions
from segmentation.models.pixel_decoder import PixelFeatures

Queries = Float[Tensor, "batch queries channels"]
Tokens = Float[Tensor, "batch tokens channels"]
Attended = Bool[Tensor, "batch queries tokens"]


class Attention(nn.Module):
    """Multi-head attention of queries to keys and values that are given apart: positions are added to keys only.

    Args:
        channels: width of queries, keys, values and results.
        heads: number of heads, a divisor of ``channels``.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = check_count("heads", heads, 1)
        if check_count("channels", channels, 1) % heads:
            raise ValueError(f"'heads' must divide the {channels} channels, got {heads}")
        self.query, self.key, self.value, self.output = (nn.Linear(channels, channels) for _ in range(4))
        for linear in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(linear.weight, gain=2**-0.5)  # the bound of one joint [3 channels, channels] matrix
            nn.init.zeros_(linear.bias)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, queries: Queries, keys: Tokens, values: Tokens, attended: Attended | None = None) -> Queries:
        """Lets each query attend to the tokens that are true in its row of ``attended``, at least one; None is all."""
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project, x in ((self.query, queries), (self.key, keys), (self.value, values))
        )
        # one mask for all heads: a copy for each would be the largest tensor of the decoder
        mask = None if attended is None else attended[:, None]
        values_read = F.scaled_dot_product_attention(query, key, value, mask)
        return self.output(values_read.transpose(1, 2).flatten(2))


class MaskedAttentionLayer(nn.Module):
    """Masked cross-attention, self-attention and a feed-forward network, each residual and followed by a norm.

    Cheng et al., *Masked-attention Mask Transformer* (2022), section 3.2.2. Positions are added to queries and keys,
    never to values.

    Args:
        channels: width of queries and pixels.
        heads: number of heads of both attentions.
        hidden: width of the hidden layer of the feed-forward network.

    Example:
        >>> layer = MaskedAttentionLayer(8, heads=2, hidden=16)
        >>> queries, pixels = torch.rand(1, 3, 8), torch.rand(1, 20, 8)
        >>> attended = torch.rand(1, 3, 20) > 0.2
        >>> layer(queries, torch.rand(3, 8), pixels, torch.rand(20, 8), attended).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross_attention = Attention(channels, heads)
        self.cross_norm = nn.LayerNorm(channels)
        self.self_attention = Attention(channels, heads)
        self.self_norm = nn.LayerNorm(channels)
        self.feedforward = feedforward(channels, hidden)
        self.feedforward_norm = nn.LayerNorm(channels)

    def forward(
        self,
        queries: Queries,
        query_positions: Float[Tensor, "queries channels"],
        pixels: Tokens,
        pixel_positions: Float[Tensor, "tokens channels"],
        attended: Attended,
    ) -> Queries:
        """Updates the queries; each attends to the pixels that are true in its row of ``attended``."""
        crossed = self.cross_attention(queries + query_positions, pixels + pixel_positions, pixels, attended)
        queries = self.cross_norm(queries + crossed)
        positioned = queries + query_positions
        queries = self.self_norm(queries + self.self_attention(positioned, positioned, queries))
        return self.feedforward_norm(queries + self.feedforward(queries))


class DecoderOutput(NamedTuple):
    """The predictions of all queries after one layer: instance queries first, then semantic ones."""

    masks: Float[Tensor, "batch queries height width"]  #: mask logits, at stride 4.
    objectness: Float[Tensor, "batch queries"]  #: logit of a query having found an object at all.
    queries: Queries  #: features of the queries, after the decoder's norm.


class MaskDecoder(nn.Module):
    """Predicts masks by learned queries of two kinds.

    Cheng et al., *Masked-attention Mask Transformer* (2022): in each layer a query attends to the pixels of the mask it
    had after the layer before, in one of three scales in turn. Instance and semantic queries share all weights; they
    are told apart by two learned tokens, [INS] and [SEM], which are added to the query features of each kind at every
    layer, before its cross-attention.

    Args:
        channels: width of the queries and of the pixel features, a multiple of 4 and of ``heads``.
        layers: number of layers.
        heads: number of attention heads.
        feedforward: width of the hidden layer of the feed-forward networks.
        instance_queries: number of queries for instances.
        semantic_queries: number of queries for semantic regions.
        checkpointing: in training, compute each layer again for its gradient.

    Raises:
        TypeError, ValueError: an argument is no int, or out of range.

    Example:
        >>> decoder = MaskDecoder(8, layers=3, heads=2, feedforward=16, instance_queries=4, semantic_queries=2)
        >>> maps = tuple(torch.rand(1, 8, size, size) for size in (2, 4, 8))
        >>> outputs = decoder(PixelFeatures(torch.rand(1, 8, 16, 16), maps))
        >>> len(outputs), outputs[-1].masks.shape  # before the first layer, then after each
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
        counts = {"instance_queries": instance_queries, "semantic_queries": semantic_queries}
        self.counts = [check_count(name, count, 0) for name, count in counts.items()]
        self.channels, self.checkpointing = channels, checkpointing
        self.query_features = nn.Parameter(torch.randn(sum(self.counts), channels))
        self.query_positions = nn.Parameter(torch.randn(sum(self.counts), channels))
        self.level_tokens = nn.Parameter(torch.randn(2, channels) * 0.02)
        self.scale_embedding = nn.Parameter(torch.randn(3, channels))
        self.layers = nn.ModuleList(MaskedAttentionLayer(channels, heads, feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        first, second, third = (nn.Linear(channels, channels) for _ in range(3))
        self.mask_embedding = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
        self.objectness = nn.Linear(channels, 1)
        nn.init.constant_(self.objectness.bias, math.log(0.1 / 0.9))  # most queries find nothing

    def forward(self, features: PixelFeatures) -> list[DecoderOutput]:
        """Predicts masks from the learned queries, then after each layer: ``layers + 1`` outputs."""
        pixels = [
            image.flatten(2).transpose(1, 2) + embedding
            for image, embedding in zip(features.maps, self.scale_embedding, strict=True)
        ]
        shapes = [(image.size(2), image.size(3)) for image in features.maps]
        positions = [
            sine_positions(shape, self.channels, image.device, image.dtype)
            for shape, image in zip(shapes, features.maps, strict=True)
        ]
        kinds = torch.cat([token.expand(n, -1) for token, n in zip(self.level_tokens, self.counts, strict=True)])
        queries = self.query_features.expand(features.mask_features.size(0), -1, -1)
        outputs = [self._output(queries, features.mask_features)]
        for index, layer in enumerate(self.layers):
            scale = index % 3
            attended = attended_pixels(outputs[-1].masks, shapes[scale])
            inputs = (queries + kinds, self.query_positions, pixels[scale], positions[scale], attended)
            queries = run_layer(layer, *inputs, checkpointing=self.checkpointing and self.training)
            outputs.append(self._output(queries, features.mask_features))
        return outputs

    def _output(self, queries: Tensor, mask_features: Tensor) -> DecoderOutput:
        normed = self.norm(queries)
        masks = torch.einsum("bqc,bchw->bqhw", self.mask_embedding(normed), mask_features)
        return DecoderOutput(masks, self.objectness(normed).squeeze(2), normed)


def attended_pixels(masks: Float[Tensor, "batch queries height width"], shape: tuple[int, int]) -> Attended:
    """Marks the pixels of a map that each query attends to: those where its mask is more likely than not.

    Args:
        masks: mask logits; no gradient goes back into them.
        shape: (height, width) of the map.

    Returns:
        ``[batch, queries, height * width]``; a query whose mask is empty attends to all pixels.

    Example:
        >>> attended_pixels(torch.tensor([[[[-1.0, 2.0]], [[-1.0, -1.0]]]]), (1, 2))
        tensor([[[False,  True],
                 [ True,  True]]])
    """
    inside = F.interpolate(masks.detach(), shape, mode="bilinear").flatten(2) >= 0
    return inside | ~inside.any(2, keepdim=True)
