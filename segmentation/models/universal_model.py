"""The whole network: encoder, pixel decoder, mask decoder, projection."""

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.mask_decoder import DecoderOutput, MaskDecoder
from segmentation.models.multi_scale_encoder import MultiScaleEncoder, StageTokens
from segmentation.models.pixel_decoder import PixelDecoder
from segmentation.models.projection import ProjectionHead
from segmentation.models.thingness import Thingness


class ModelOutput(NamedTuple):
    """What the network makes of a batch.

    Attributes:
        keys: of the transformer, ``[B, tokens, channels]``.
        layers: what the mask decoder predicts from its learned queries and after each of its layers.
    """

    keys: Tensor
    layers: list[DecoderOutput]


class UniversalModel(nn.Module):
    """A segmentor of instances and of semantic regions (the paper's Figure 2), student and teacher alike.

    Args:
        settings: sizes of all parts.
        load_encoder: whether the encoder starts as the settings say; if not it is left random, for weights that are
            loaded afterwards.

    Example:
        >>> import torch
        >>> from segmentation.config import load_training
        >>> model = UniversalModel(load_training("scenes"))
        >>> output = model(torch.rand(1, 3, 64, 64))
        >>> output.layers[-1].masks.shape  # 30 instance queries and 10 semantic ones
        torch.Size([1, 40, 16, 16])
    """

    def __init__(self, settings: TrainSettings, *, load_encoder: bool = True) -> None:
        super().__init__()
        encoder, adapter, decoder, head = settings.encoder, settings.adapter, settings.decoder, settings.head
        checkpointing = settings.optimizer.checkpointing
        self.encoder = MultiScaleEncoder(
            encoder.name,
            encoder.weights if load_encoder else None,
            init=encoder.init if load_encoder else "random",
            options=encoder.options,
            freeze=encoder.freeze,
            interactions=adapter.interactions,
            heads=adapter.heads,
            points=adapter.points,
            value_ratio=adapter.value_ratio,
            stem_channels=adapter.stem_channels,
            map_channels=adapter.map_channels,
            shrink=adapter.shrink,
            center_keys=adapter.center_keys,
            checkpointing=checkpointing,
        )
        channels = self.encoder.channels
        self.pixel_decoder = PixelDecoder(
            channels,
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
        self.query_projection = nn.Linear(decoder.channels, self.encoder.key_channels)
        self.head = ProjectionHead(self.encoder.key_channels, head.clusters, head.layers, head.hidden, head.bottleneck)
        self.thingness = Thingness(head.clusters)

    def forward(self, pixels: Float[Tensor, "batch 3 height width"], tokens: StageTokens | None = None) -> ModelOutput:
        """Keys, and the masks of every layer.

        Args:
            pixels: in [0, 1]; sides are multiples of the patch.
            tokens: of a frozen encoder, if they are at hand.
        """
        features = self.encoder(pixels, tokens)
        return ModelOutput(features.keys, self.mask_decoder(self.pixel_decoder(features.maps)))

    def clusters(self, queries: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows clusters"]:
        """Cosines of queries with the prototypes of the clusters.

        Queries are brought to the width of the keys and to unit length first, as the features of segments are.
        """
        return self.head(F.normalize(self.query_projection(queries), dim=-1))
