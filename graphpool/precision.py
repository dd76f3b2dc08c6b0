"""Full fp32 products, whatever the caller's autocast and TF32 settings: a score that moves by 1e-3 merges regions."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor


def widen(x: Tensor) -> Tensor:
    """Casts ``x`` to the dtype that similarities are computed in: fp64 stays, everything else becomes fp32."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Switches autocast, TF32 and reduced-precision fp32 products off for a block."""
    autocast_off = torch.autocast(device.type, enabled=False)
    if torch.compiler.is_compiling():  # the global switches cannot be traced; compiled code keeps the caller's
        return autocast_off
    stack = ExitStack()
    stack.enter_context(autocast_off)
    stack.enter_context(_ieee_products())
    return stack


@contextmanager
def _ieee_products() -> Iterator[None]:
    """Sets the global switches of fp32 products to full precision, and back afterwards."""
    if not _SWITCHES:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    kept = [switch.fp32_precision for switch in _SWITCHES]
    for switch in _SWITCHES:
        switch.fp32_precision = "ieee"
    try:
        yield
    finally:
        for switch, value in zip(_SWITCHES, kept, strict=True):
            switch.fp32_precision = value


# one switch for each backend since torch 2.9
_BACKENDS: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
_SWITCHES = [backend.matmul for backend in _BACKENDS if hasattr(getattr(backend, "matmul", None), "fp32_precision")]
