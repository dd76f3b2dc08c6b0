"""Multi-scale deformable attention: each query samples a few points of several maps, at learned offsets."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count, check_number


class DeformableAttention(nn.Module):
    r"""Attends to sampled points of several maps, by one ``grid_sample`` per map.

    Zhu et al., *Deformable DETR* (2021), equation 3: head :math:`m` of query :math:`q` at reference point :math:`p_q`
    gives

    .. math:: \sum_{l, k} A_{mlqk} \, W'_m \, x^l(\phi_l(p_q) + \Delta p_{mlqk})

    where sampling offsets :math:`\Delta p` (in pixels of map :math:`l`) and attention weights :math:`A` (their sum over
    maps and points is one) are linear in the query. Maps are sampled bilinearly, with zeros around them. At the start
    each head's offsets point in a direction of its own, and the weights are equal.

    Sampling locations and sums are in float32 (float64 where the input is), also under autocast: bfloat16 has only 256
    steps along a map. Maps are sampled one after the other, so that no more than one's samples are in memory.

    Args:
        channels: width of queries and values.
        heads: number of heads.
        levels: number of maps.
        points: sampling points per head and level.
        value_ratio: width of the projected values as a share of ``channels`` (less is faster; Chen et al., *Vision
            Transformer Adapter*, 2023, take 0.5).

    Raises:
        TypeError: an argument is no number.
        ValueError: one is out of range, or ``heads`` does not divide the width of the values.

    Example:
        >>> attention = DeformableAttention(16, heads=2, levels=2, points=4)
        >>> shapes = [(4, 6), (2, 3)]
        >>> values = torch.rand(1, 4 * 6 + 2 * 3, 16)
        >>> attention(values, reference_points(shapes), values, shapes).shape
        torch.Size([1, 30, 16])
    """

    def __init__(self, channels: int, heads: int, levels: int, points: int, value_ratio: float = 1.0) -> None:
        super().__init__()
        check_count("channels", channels, 1)
        self.heads = check_count("heads", heads, 1)
        self.levels = check_count("levels", levels, 1)
        self.points = check_count("points", points, 1)
        width = round(channels * check_number("value_ratio", value_ratio, 0, 1, open_low=True))
        if width == 0 or width % heads:
            raise ValueError(f"'heads' must divide the width of the values, {width}, got {heads}")
        self.offsets = nn.Linear(channels, heads * levels * points * 2)
        self.weights = nn.Linear(channels, heads * levels * points)
        self.value = nn.Linear(channels, width)
        self.output = nn.Linear(width, channels)
        self._initialise()

    def _initialise(self) -> None:
        """Initialises as in the paper: point ``k`` lies ``k`` pixels from the query, in the direction of its head."""
        for linear in (self.offsets, self.weights):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        for linear in (self.value, self.output):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack([angle.cos(), angle.sin()], 1)
        direction = direction / direction.abs().amax(1, keepdim=True)  # on a square, so that points are whole pixels
        offsets = direction[:, None, None] * torch.arange(1, self.points + 1)[:, None]
        with torch.no_grad():
            self.offsets.bias.copy_(offsets.expand(-1, self.levels, -1, -1).flatten())

    def forward(
        self,
        queries: Float[Tensor, "batch queries channels"],
        reference: Float[Tensor, "queries 2"],
        values: Float[Tensor, "batch tokens channels"],
        shapes: Sequence[tuple[int, int]],
    ) -> Float[Tensor, "batch queries channels"]:
        """Returns what each query reads from the maps.

        Args:
            queries: features of the queries.
            reference: reference points of the queries, (x, y) in [0, 1] from the upper left corner, the same in all
                maps and for the whole batch.
            values: pixels of all maps, row by row, one map after the other.
            shapes: (height, width) of the maps.

        Raises:
            ValueError: ``shapes`` are not ``levels`` many, or ``values`` not as many as their pixels.
        """
        pixels = [height * width for height, width in shapes]
        if len(shapes) != self.levels:
            raise ValueError(f"'shapes' must have one entry for each of the {self.levels} maps, got {list(shapes)}")
        if sum(pixels) != values.size(1):
            raise ValueError(f"'values' must have a row for each pixel of {list(shapes)}, got {values.size(1)}")
        batch, count = queries.shape[:2]
        dtype = torch.promote_types(queries.dtype, torch.float32)
        offsets = self.offsets(queries).to(dtype).view(batch, count, self.heads, self.levels, self.points, 2)
        weights = self.weights(queries).to(dtype).view(batch, count, self.heads, self.levels * self.points)
        weights = weights.softmax(-1).unflatten(3, (self.levels, self.points))
        maps = self.value(values).to(dtype).split(pixels, 1)
        total = torch.zeros((), dtype=dtype, device=queries.device)
        for level, shape in enumerate(shapes):
            size = torch.tensor(shape[::-1], dtype=dtype, device=queries.device)
            locations = reference.to(dtype)[:, None, None] + offsets[:, :, :, level] / size
            total = total + self._sample(maps[level], shape, locations, weights[:, :, :, level])
        return self.output(total.view(batch, -1, count).transpose(1, 2).to(values.dtype))

    def _sample(self, values: Tensor, shape: tuple[int, int], locations: Tensor, weights: Tensor) -> Tensor:
        """Returns the weighted sums of samples of one map, ``[batch * heads, width / heads, queries]``."""
        maps = values.transpose(1, 2).reshape(values.size(0) * self.heads, -1, *shape)
        grid = (2 * locations - 1).transpose(1, 2).flatten(0, 1)
        samples = F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return (samples * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)


def reference_points(
    shapes: Sequence[tuple[int, int]], device: torch.device | str | None = None
) -> Float[Tensor, "tokens 2"]:
    """Returns the centres (x, y) in [0, 1] of the pixels of maps, row by row, one map after the other, in float32.

    Args:
        shapes: (height, width) of the maps.
        device: device of the result.

    Example:
        >>> reference_points([(1, 2)])
        tensor([[0.2500, 0.5000],
                [0.7500, 0.5000]])
    """
    centres = []
    for height, width in shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        centres.append(torch.cartesian_prod(y, x).flip(1))
    return torch.cat(centres)
