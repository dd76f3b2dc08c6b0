"""What Online Agglomerative Pooling has left of the tokens of a batch, from one contraction to the next."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout
from graphpool.partition import Partition
from graphpool.segment_reduce import add_rows, count_rows


class Averaging(NamedTuple):
    """How features are averaged: by ``"vote"``, with the temperature and logits of Eq. 6, or ``"mean"``."""

    features: str
    temperature: float
    logits: str


@dataclass(frozen=True)
class Supernodes:
    """Holds the supernodes of a batch.

    Attributes:
        features: what they are compared by and beside it what is returned of them, ``[K, channels + values]``; ``None``
            while every token is one.
        value_sums: for means, sums of the values over each supernode; ``None`` where only tokens are averaged.
        state: sums of the tokens over each.
        averaging: how features are averaged.
    """

    features: Tensor | None
    value_sums: Tensor | None
    state: AffinityState
    averaging: Averaging

    @property
    def compared(self) -> Tensor:
        """Unit features that they are compared by, ``[K, channels]``: at first the tokens themselves."""
        return self.state.sums if self.features is None else self.features[:, : self.state.sums.size(1)]

    def merge(self, cluster: Tensor, count: int) -> "Supernodes":
        """Merges supernodes into clusters.

        A cluster of one supernode keeps its features; they are not computed again.
        """
        merged = self.state.merge(cluster, count)
        value_sums = None if self.value_sums is None else add_rows(self.value_sums, cluster, count)
        changed = torch.arange(count, device=cluster.device)
        if self.features is not None:
            changed = (count_rows(cluster, count) > 1).nonzero().view(-1)
            kept = self.features.new_empty(count, self.features.size(1)).index_copy_(0, cluster, self.features)
        if self.averaging.features == "vote":
            voters = merged if changed.numel() == count else merged.take(changed)
            new = voters.vote(self.averaging.temperature, self.averaging.logits)
        else:
            sums = merged.sums if value_sums is None else torch.cat([merged.sums, value_sums], dim=1)
            new = sums.index_select(0, changed)  # means but for their length, which is normalised away
        channels = merged.sums.size(1)
        new_tokens, new_values = new.split([channels, new.size(1) - channels], dim=1)
        new = torch.cat([F.normalize(new_tokens, dim=1), F.normalize(new_values, dim=1)], dim=1)
        features = new if self.features is None else kept.index_copy_(0, changed, new)
        return Supernodes(features, value_sums, merged, self.averaging)

    def partition(self, min_area: int, layout: Layout, dtype: torch.dtype) -> Partition:
        """Returns them as a partition of the tokens, in whose layout and dtype."""
        assert self.features is not None  # of what was merged at least once
        channels, state = self.state.sums.size(1), self.state
        returned = self.features[:, channels:] if self.features.size(1) > channels else self.features
        keep = state.area >= min_area
        return Partition(state.cluster, returned.to(dtype), state.area, state.layout.batch, keep, layout.sizes)
