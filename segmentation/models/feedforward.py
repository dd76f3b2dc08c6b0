"""The feed-forward network of a transformer's layer."""

from torch import nn

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
