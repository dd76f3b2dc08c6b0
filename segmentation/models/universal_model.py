"""The segmentor as one network: encoder, decoders, cluster head, thingness of clusters."""

from dataclasses import asdict
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.layers import as_pixels
from segmentation.models.mask_decoder import DecoderOutput, MaskDecoder
from segmentation.models.multi_scale_encoder import (
    FINEST_STRIDE,
    BlockTokens,
    EncoderFeatures,
    MultiScaleEncoder,
)
from segmentation.models.pixel_decoder import PixelDecoder

_PRIOR = 8.0  # segments with the mean score of all segments that each cluster is taken to have had before


class ProjectionHead(nn.Module):
    """Projects features by an MLP and compares them with learned prototypes by cosine (Caron et al., *DINO*, 2021).

    The prototypes are DINO's weight-normed last layer with norms fixed to 1.

    Args:
        channels: width of the features.
        clusters: number of prototypes, the paper's K.
        layers: number of layers of the MLP.
        hidden: width of its hidden layers.
        bottleneck: width of its output, which is normalised.

    Example:
        >>> head = ProjectionHead(8, clusters=5, layers=3, hidden=16, bottleneck=4)
        >>> head(torch.randn(2, 7, 8)).shape
        torch.Size([2, 7, 5])
    """

    def __init__(self, channels: int, clusters: int, layers: int, hidden: int, bottleneck: int) -> None:
        super().__init__()
        widths = [channels, *[hidden] * (layers - 1), bottleneck]
        linears = [nn.Linear(before, after) for before, after in pairwise(widths)]
        self.mlp = nn.Sequential(*[module for linear in linears for module in (linear, nn.GELU())][:-1])
        for linear in linears:
            nn.init.trunc_normal_(linear.weight, std=0.02 if hidden > 1024 else hidden**-0.5)
            nn.init.zeros_(linear.bias)
        self.prototypes = nn.Parameter(torch.randn(clusters, bottleneck))

    def forward(self, x: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows clusters"]:
        """Returns the cosine of each projected row with each prototype."""
        return F.linear(F.normalize(self.mlp(x), dim=-1), F.normalize(self.prototypes, dim=-1))


class Thingness(nn.Module):
    """How much the segments of each cluster look like things: a running average of their scores.

    The thingness of a cluster is the mean score of the instance segments that were assigned to it. The score of a
    single segment is a guess from one photo; over a data set clusters tell things from parts and pieces of ground.

    Scores and numbers of segments are summed per cluster; with each batch the sums so far are multiplied by ``memory``.
    Each cluster is taken to have had 8 more segments, with the mean score of all segments.

    Args:
        clusters: number of clusters.
        memory: share of the running sums that is left after a batch.

    Example:
        >>> thingness = Thingness(3)
        >>> thingness()  # no segments yet
        tensor([1., 1., 1.])
        >>> thingness.update(torch.tensor([600.0, 100.0, 0.0]), torch.tensor([1000.0, 1000.0, 0.0]))
        >>> thingness().mul(100).round()
        tensor([100.,  17.,  59.])
    """

    scores: Tensor
    counts: Tensor

    def __init__(self, clusters: int, memory: float = 0.99) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("scores", torch.zeros(clusters))
        self.register_buffer("counts", torch.zeros(clusters))

    def forward(self) -> Float[Tensor, " clusters"]:
        """Returns the mean score of each cluster, divided by the highest; in (0, 1]."""
        count = self.counts.sum()
        overall = torch.where(count > 0, self.scores.sum() / count.clamp(min=1e-6), 1.0)
        mean = (self.scores + _PRIOR * overall) / (self.counts + _PRIOR)
        return mean / mean.max()

    @torch.no_grad()
    def update(self, scores: Float[Tensor, " clusters"], counts: Float[Tensor, " clusters"]) -> None:
        """Adds the segments of a batch: the sum of their scores and their number, in each cluster."""
        self.scores.mul_(self.memory).add_(scores)
        self.counts.mul_(self.memory).add_(counts)


class ModelOutput(NamedTuple):
    """The output of the network for a batch."""

    features: EncoderFeatures  #: the encoder's keys and maps.
    layers: list[DecoderOutput]  #: predictions of the mask decoder before its first layer and after each.


def enlarge(pixels: Float[Tensor, "batch 3 height width"], scale: int) -> Float[Tensor, "batch 3 rows columns"]:
    """Enlarges photos by bicubic interpolation; values stay in [0, 1]."""
    return F.interpolate(pixels, scale_factor=scale, mode="bicubic", antialias=True).clamp(0, 1)


class UniversalModel(nn.Module):
    """Segments instances and semantic regions (the paper's Figure 2); student and teacher alike.

    Args:
        settings: settings of all parts.
        load_encoder: whether the encoder starts from the weights of the settings; if not it is random, for a state
            dict that is loaded afterwards.

    Attributes:
        token_channels: width of the tokens that segments are groups of.
        token_stride: side of these tokens in pixels of the photo.
        key_mean: mean token of the photos that it was trained with, which the head's view of segments is centred by.

    Raises:
        ValueError: the side of a token is no multiple of ``teacher.scale``.

    Example:
        >>> from segmentation.config import load_training
        >>> model = UniversalModel(load_training("scenes"))
        >>> output = model(torch.rand(1, 3, 64, 64))
        >>> output.layers[-1].masks.shape  # 30 instance queries and 10 semantic ones
        torch.Size([1, 40, 16, 16])
    """

    key_mean: Tensor

    def __init__(self, settings: TrainSettings, *, load_encoder: bool = True) -> None:
        super().__init__()
        encoder, decoder, checkpointing = settings.encoder, settings.decoder, settings.optimizer.checkpointing
        self.encoder = MultiScaleEncoder(
            encoder.name,
            encoder.weights if load_encoder else None,
            init=encoder.init if load_encoder else "random",
            options=encoder.options,
            freeze=encoder.freeze,
            vit_shrink=encoder.shrink,
            checkpointing=checkpointing,
            **asdict(settings.adapter),
        )
        self.pixel_decoder = PixelDecoder(
            self.encoder.channels,
            decoder.channels,
            decoder.pixel_layers,
            decoder.heads,
            decoder.points,
            decoder.pixel_feedforward,
            checkpointing,
        )
        self.mask_decoder = MaskDecoder(
            decoder.channels,
            decoder.layers,
            decoder.heads,
            decoder.feedforward,
            decoder.instance_queries,
            decoder.semantic_queries,
            checkpointing,
        )
        self.by_map = settings.teacher.tokens == "map"
        self.token_channels = self.encoder.channels if self.by_map else self.encoder.key_channels
        self.scale = settings.teacher.scale
        stride = FINEST_STRIDE * self.encoder.shrink if self.by_map else self.encoder.patch_size
        if stride % self.scale:
            raise ValueError(f"'teacher.scale' must divide the {stride} pixels of a token, got {self.scale}")
        self.token_stride = stride // self.scale
        self.query_projection = nn.Linear(decoder.channels, self.token_channels)
        self.head = ProjectionHead(self.token_channels, **asdict(settings.head))
        self.thingness = Thingness(settings.head.clusters)
        self.register_buffer("key_mean", torch.zeros(self.token_channels))

    def forward(self, pixels: Float[Tensor, "batch 3 height width"], tokens: BlockTokens | None = None) -> ModelOutput:
        """Computes the features, and the masks after every layer.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.
            tokens: result of the frozen encoder's ``block_tokens`` for these photos, if it is known.
        """
        features = self.encoder(pixels, tokens)
        return ModelOutput(features, self.mask_decoder(self.pixel_decoder(features.maps)))

    def tokens(
        self, pixels: Float[Tensor, "batch 3 height width"], features: EncoderFeatures | None = None, *, blocks: int = 1
    ) -> Float[Tensor, "batch tokens channels"]:
        """Computes what segments are groups of, keys or pixels of the finest map, and nothing that they do not need.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.
            features: features of these photos, if they are known; not used where photos are enlarged.
            blocks: number of blocks, counted from the last, whose keys stand side by side; 1 for pixels of a map.
        """
        if self.scale > 1:
            pixels, features = enlarge(pixels, self.scale), None
        if self.by_map:
            return as_pixels([(features or self.encoder(pixels)).maps[0]])
        return self.encoder.keys(pixels, blocks) if features is None or blocks > 1 else features.keys

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns rows and columns of the tokens of a photo of this size."""
        return -(-height // self.token_stride), -(-width // self.token_stride)

    def segment_features(self, means: Float[Tensor, "segments channels"]) -> Float[Tensor, "segments channels"]:
        """Subtracts the data set's mean from the mean tokens of segments, to unit length: the input of the head."""
        return F.normalize(means - self.key_mean, dim=1)

    def segment_thingness(self, means: Float[Tensor, "segments channels"]) -> Float[Tensor, " segments"]:
        """Returns the thingness of the cluster of each segment, by its mean token; in (0, 1]."""
        return self.thingness()[self.head(self.segment_features(means)).argmax(1)]

    def cluster_cosines(self, queries: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows clusters"]:
        """Returns the cosines of queries with the prototypes of the clusters.

        Queries are projected to the width of the keys and to unit length first, as the features of segments are.
        """
        return self.head(F.normalize(self.query_projection(queries), dim=-1))
