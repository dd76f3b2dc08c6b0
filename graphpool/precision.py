"""Full fp32 products, whatever the caller's autocast and TF32 settings: a score that moves by 1e-3 merges regions."""

from contextlib import AbstractContextManager, ExitStack
from typing import Any

import torch
from torch import Tensor

# one switch for each backend since torch 2.9
_BACKENDS: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
_SWITCHES = [backend.matmul for backend in _BACKENDS if hasattr(getattr(backend, "matmul", None), "fp32_precision")]


def widen(x: Tensor) -> Tensor:
    """Casts ``x`` to the dtype that similarities are computed in: fp64 stays, everything else becomes fp32."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Switches autocast, TF32 and reduced-precision fp32 products off, until the block that it opens ends."""
    autocast_off = torch.autocast(device.type, enabled=False)
    if torch.compiler.is_compiling():  # the global switches cannot be traced; compiled code keeps the caller's
        return autocast_off
    stack = ExitStack()
    stack.enter_context(autocast_off)
    for switch in _SWITCHES:
        stack.callback(setattr, switch, "fp32_precision", switch.fp32_precision)
        switch.fp32_precision = "ieee"
    if not _SWITCHES:
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("highest")
    return stack
