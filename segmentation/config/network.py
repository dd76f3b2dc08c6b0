"""Sizes of the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphpool.checks import check_choice, check_count, check_number

INITS = ("pretrained", "random")


@dataclass(frozen=True)
class EncoderSettings:
    """The vision transformer.

    Attributes:
        name: by timm's name.
        weights: file of its weights; ``None`` takes timm's pretrained ones.
        init: ``"pretrained"``, or ``"random"`` to train from nothing.
        options: arguments for timm, with ``init="random"`` only.
        freeze: whether it stays as it is: no injectors, and its tokens are cached where views are fixed.
        lr_factor: its learning rate, as a share of the others'.
    """

    name: str
    weights: str | None = None
    init: str = "pretrained"
    options: Mapping[str, Any] = field(default_factory=dict)
    freeze: bool = False
    lr_factor: float = 0.1

    def __post_init__(self) -> None:
        check_choice("encoder.init", self.init, INITS)
        check_number("encoder.lr_factor", self.lr_factor, 0, 1)


@dataclass(frozen=True)
class AdapterSettings:
    """What makes maps of several scales from the transformer's tokens.

    Attributes:
        interactions: groups of blocks between which tokens and maps look at each other.
        heads: of deformable attention.
        points: it looks at, for each head.
        value_ratio: width of its values, as a share of the channels.
        stem_channels: width of the first convolutions.
        map_channels: width of the maps; ``None`` for that of the tokens; narrower ones for a frozen encoder only.
        shrink: how many times smaller photos are for the convolutions; 2 makes all maps, masks too, half as fine.
        center_keys: whether the mean key of each photo is subtracted before its keys are added to the maps, as it is
            for grouping.
    """

    interactions: int = 4
    heads: int = 6
    points: int = 4
    value_ratio: float = 0.5
    stem_channels: int = 64
    map_channels: int | None = None
    shrink: int = 1
    center_keys: bool = False

    def __post_init__(self) -> None:
        for name in ("interactions", "heads", "points", "stem_channels", "shrink"):
            check_count(f"adapter.{name}", getattr(self, name), 1)
        if self.map_channels is not None:
            check_count("adapter.map_channels", self.map_channels, 1)
        check_number("adapter.value_ratio", self.value_ratio, 0, 1, open_low=True)


@dataclass(frozen=True)
class DecoderSettings:
    """Pixel decoder and mask decoder.

    Attributes:
        channels: width of both.
        heads: of attention in both.
        points: of deformable attention in the pixel decoder.
        pixel_layers: of the pixel decoder.
        pixel_feedforward: width of its feed-forward layers.
        layers: of the mask decoder.
        feedforward: width of its feed-forward layers.
        instance_queries: number of [INS] queries.
        semantic_queries: number of [SEM] queries.
    """

    channels: int = 256
    heads: int = 8
    points: int = 4
    pixel_layers: int = 6
    pixel_feedforward: int = 1024
    layers: int = 9
    feedforward: int = 2048
    instance_queries: int = 150
    semantic_queries: int = 50

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            check_count(f"decoder.{name}", getattr(self, name), 1)
        if self.channels % self.heads:
            raise ValueError(f"'decoder.channels' must be a multiple of the {self.heads} heads, got {self.channels}")


@dataclass(frozen=True)
class HeadSettings:
    """Projection of queries and segments to clusters.

    Attributes:
        clusters: the paper's K.
        layers: of the MLP.
        hidden: its width.
        bottleneck: its output, which is normalised.
    """

    clusters: int = 512
    layers: int = 3
    hidden: int = 2048
    bottleneck: int = 256

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            check_count(f"head.{name}", getattr(self, name), 1)
