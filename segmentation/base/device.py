"""Where and in which precision a network runs."""

import torch

from graphpool.checks import check_choice
from segmentation.base.choices import DTYPES


def choose_device(device: str | torch.device) -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU.

    Raises:
        ValueError: a device that does not exist here.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"'device' must be 'auto' or a device that is there, got {str(device)!r}: {reason}") from None
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """``"auto"`` is bfloat16 on CUDA, else float32.

    Raises:
        ValueError: another name.

    Example:
        >>> choose_dtype("auto", torch.device("cpu"))
        torch.float32
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    chosen: torch.dtype = getattr(torch, dtype)
    return chosen
