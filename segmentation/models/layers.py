"""Small layers that the decoders share: feed-forward and position encodings."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count


def feedforward(channels: int, hidden: int) -> nn.Sequential:
    """Two linear layers with a ReLU between; weights uniform after Xavier.

    Args:
        channels: width of input and output.
        hidden: width between them.

    Returns:
        A module from ``[..., channels]`` to ``[..., channels]``.

    Raises:
        TypeError: an argument is no int.
        ValueError: one is below 1.

    Example:
        >>> import torch
        >>> feedforward(8, 32)(torch.rand(2, 3, 8)).shape
        torch.Size([2, 3, 8])
    """
    check_count("channels", channels, 1)
    check_count("feedforward", hidden, 1)
    widen, narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
    for linear in (widen, narrow):
        nn.init.xavier_uniform_(linear.weight)
    return nn.Sequential(widen, nn.ReLU(), narrow)


def sine_positions(
    shape: tuple[int, int], channels: int, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "tokens channels"]:
    r"""Sine and cosine of the row and the column of each pixel of a map, at many frequencies.

    The encoding of Carion et al., *DETR* (2020): rows count from 1 and are scaled so that the last is at
    :math:`2\pi`; channels :math:`2i` and :math:`2i + 1` of the first half are sine and cosine of the row divided by
    :math:`10000^{4i / C}`, the second half those of the column.

    Args:
        shape: (height, width) of the map.
        channels: :math:`C`, a multiple of 4.
        device: of the result.
        dtype: of the result; computed in float32 at least.

    Returns:
        ``[height * width, channels]``, row by row.

    Raises:
        ValueError: ``channels`` is no multiple of 4.

    Example:
        >>> sine_positions((1, 2), 4)[:, 2:].round(decimals=3).abs()  # columns: half a turn, a whole one
        tensor([[0., 1.],
                [0., 1.]])
    """
    if check_count("channels", channels, 4) % 4:
        raise ValueError(f"'channels' must be a multiple of 4, got {channels}")
    height, width = shape
    computed = torch.promote_types(dtype, torch.float32)
    index = torch.arange(channels // 4, device=device, dtype=computed)
    period = 10000 ** (4 * index / channels)
    waves = []
    for size in (height, width):
        place = torch.arange(1, size + 1, device=device, dtype=computed) / (size + 1e-6) * (2 * math.pi)
        angle = place[:, None] / period
        waves.append(torch.stack([angle.sin(), angle.cos()], 2).flatten(1))
    rows, columns = waves
    both = [rows[:, None].expand(-1, width, -1), columns.expand(height, -1, -1)]
    return torch.cat(both, 2).flatten(0, 1).to(dtype)
