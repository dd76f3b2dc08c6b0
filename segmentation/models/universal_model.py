"""The segmentor as one network: encoder, decoders, head, thingness of clusters."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.mask_decoder import DecoderOutput, MaskDecoder
from segmentation.models.multi_scale_encoder import BlockTokens, MultiScaleEncoder
from segmentation.models.pixel_decoder import PixelDecoder

_PRIOR = 8.0  # segments of the mean score that every cluster is taken to have had


class ProjectionHead(nn.Module):
    """An MLP, L2 normalisation, and cosines to learned prototypes (Caron et al., DINO, 2021).

    The last layer is DINO's weight-normed one with its lengths fixed to 1.

    Args:
        channels: of the input.
        clusters: number of prototypes, the paper's K.
        layers: of the MLP.
        hidden: its width.
        bottleneck: its output.

    Example:
        >>> head = ProjectionHead(8, clusters=5, layers=3, hidden=16, bottleneck=4)
        >>> head(torch.randn(2, 7, 8)).shape
        torch.Size([2, 7, 5])
    """

    def __init__(self, channels: int, clusters: int, layers: int, hidden: int, bottleneck: int) -> None:
        super().__init__()
        widths = [channels, *[hidden] * (layers - 1), bottleneck]
        modules: list[nn.Module] = []
        for index in range(layers):
            modules += [nn.Linear(widths[index], widths[index + 1]), nn.GELU()]
        self.mlp = nn.Sequential(*modules[:-1])
        for module in self.mlp:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02 if hidden > 1024 else hidden**-0.5)
                nn.init.zeros_(module.bias)
        self.prototypes = nn.Parameter(torch.empty(clusters, bottleneck))
        nn.init.normal_(self.prototypes)

    def forward(self, x: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows clusters"]:
        """Cosine of each row with each prototype."""
        return F.linear(F.normalize(self.mlp(x), dim=-1), F.normalize(self.prototypes, dim=-1))


class Thingness(nn.Module):
    r"""The mean score of the segments of each cluster, over the last steps of training.

    The score of one segment is a guess by what can be seen of it. Segments of things have better ones than parts and
    pieces of ground, and clusters tell which those are in a whole data set.

    Args:
        clusters: number of them.
        memory: of the running sums: the share that is left of them after a step.

    Example:
        >>> thingness = Thingness(3)
        >>> thingness()  # nothing seen yet
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
        """The mean score of each cluster, divided by the highest; in (0, 1]."""
        count = self.counts.sum()
        every = torch.where(count > 0, self.scores.sum() / count.clamp(min=1e-6), 1.0)
        mean = (self.scores + _PRIOR * every) / (self.counts + _PRIOR)
        return mean / mean.max()

    @torch.no_grad()
    def update(self, scores: Float[Tensor, " clusters"], counts: Float[Tensor, " clusters"]) -> None:
        """Takes in the segments of a batch.

        Args:
            scores: sum of those in each cluster.
            counts: how many.
        """
        self.scores.mul_(self.memory).add_(scores)
        self.counts.mul_(self.memory).add_(counts)


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

    def forward(self, pixels: Float[Tensor, "batch 3 height width"], tokens: BlockTokens | None = None) -> ModelOutput:
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
