"""One layer of the mask decoder: queries read the pixels of their masks, then one another."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from graphpool.checks import check_count
from segmentation.models.feedforward import feedforward


class Attention(nn.Module):
    """Multi-head attention whose keys and values may differ in what they carry (keys their positions, values not).

    Args:
        channels: width of everything.
        heads: number of heads, a divisor of ``channels``.

    Raises:
        TypeError: an argument is no int.
        ValueError: one is out of range.
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

    def forward(
        self,
        queries: Float[Tensor, "batch queries channels"],
        keys: Float[Tensor, "batch tokens channels"],
        values: Float[Tensor, "batch tokens channels"],
        attended: Bool[Tensor, "batch queries tokens"] | None = None,
    ) -> Float[Tensor, "batch queries channels"]:
        """What each query reads, from the tokens that are true in ``attended``: at least one for each query."""
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project, x in ((self.query, queries), (self.key, keys), (self.value, values))
        )
        # one mask for all heads: a copy for each would be the largest tensor of the decoder
        mask = None if attended is None else attended[:, None]
        read = F.scaled_dot_product_attention(query, key, value, mask)
        return self.output(read.transpose(1, 2).flatten(2))


class MaskedAttentionLayer(nn.Module):
    """Masked cross-attention, self-attention and a feed-forward network, each with a norm behind the sum.

    Cheng et al., *Masked-attention Mask Transformer* (2022), section 3.2.2. Positions are added to queries and keys,
    never to values.

    Args:
        channels: width of queries and pixels.
        heads: of both attentions.
        hidden: width of the feed-forward network's hidden layer.

    Raises:
        TypeError: an argument is no int.
        ValueError: one is out of range.

    Example:
        >>> import torch
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
        queries: Float[Tensor, "batch queries channels"],
        query_positions: Float[Tensor, "queries channels"],
        pixels: Float[Tensor, "batch tokens channels"],
        pixel_positions: Float[Tensor, "tokens channels"],
        attended: Bool[Tensor, "batch queries tokens"],
    ) -> Float[Tensor, "batch queries channels"]:
        """The queries after this layer; each reads the pixels that are true in its row of ``attended``."""
        read = self.cross_attention(queries + query_positions, pixels + pixel_positions, pixels, attended)
        queries = self.cross_norm(queries + read)
        placed = queries + query_positions
        queries = self.self_norm(queries + self.self_attention(placed, placed, queries))
        return self.feedforward_norm(queries + self.feedforward(queries))
