"""Small layers and reshapes that encoder and decoders share."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphpool.checks import check_count


def feedforward(channels: int, hidden: int) -> nn.Sequential:
    """Makes two linear layers with a ReLU between them, initialised by Xavier's uniform distribution.

    Args:
        channels: width of input and output.
        hidden: width between them.

    Raises:
        TypeError, ValueError: an argument is no int, or below 1.

    Example:
        >>> feedforward(8, 32)(torch.rand(2, 3, 8)).shape
        torch.Size([2, 3, 8])
    """
    check_count("channels", channels, 1)
    check_count("feedforward", hidden, 1)
    widen, narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
    for linear in (widen, narrow):
        nn.init.xavier_uniform_(linear.weight)
    return nn.Sequential(widen, nn.ReLU(), narrow)


def group_norm(channels: int, groups: int) -> nn.GroupNorm:
    """Makes a group norm (Wu and He, 2018) of so many groups, or as many below that as divide the channels."""
    return nn.GroupNorm(next(count for count in range(max(groups, 1), 0, -1) if channels % count == 0), channels)


def run_layer(layer: Callable[..., Any], *inputs: Any, checkpointing: bool) -> Any:
    """Calls a layer; with ``checkpointing`` it is computed again for its gradient, and keeps no activations."""
    if checkpointing and torch.is_grad_enabled():
        return checkpoint(layer, *inputs, use_reentrant=False, preserve_rng_state=False)
    return layer(*inputs)


def as_pixels(maps: Sequence[Tensor]) -> Float[Tensor, "batch pixels channels"]:
    """Flattens maps ``[batch, channels, height, width]`` to their pixels, row by row, one map after the other."""
    return torch.cat([image.flatten(2) for image in maps], 2).transpose(1, 2)


def as_maps(pixels: Float[Tensor, "batch pixels channels"], shapes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Inverts :func:`as_pixels` for maps of the given (height, width)."""
    flat = pixels.transpose(1, 2).split([height * width for height, width in shapes], 2)
    return [image.unflatten(2, shape) for image, shape in zip(flat, shapes, strict=True)]


def sine_positions(
    shape: tuple[int, int], channels: int, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "tokens channels"]:
    r"""Returns the sine position encodings of the pixels of a map, row by row.

    Carion et al., *DETR* (2020): rows count from 1 and are scaled so that the last is at :math:`2\pi`; channels
    :math:`2i` and :math:`2i + 1` of the first half are sine and cosine of the row divided by :math:`10000^{4i / C}`,
    the second half those of the column.

    Args:
        shape: (height, width) of the map.
        channels: :math:`C`, a multiple of 4.
        device: device of the result.
        dtype: dtype of the result; computed in float32 at least.

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
        position = torch.arange(1, size + 1, device=device, dtype=computed) / (size + 1e-6) * (2 * math.pi)
        angle = position[:, None] / period
        waves.append(torch.stack([angle.sin(), angle.cos()], 2).flatten(1))
    rows, columns = waves
    both = [rows[:, None].expand(-1, width, -1), columns.expand(height, -1, -1)]
    return torch.cat(both, 2).flatten(0, 1).to(dtype)
