"""Chooses the device and the precision of a network, and measures what each stage of a run costs on the device."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from graphpool.checks import check_choice
from segmentation.base.choices import DTYPES

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def choose_device(device: str | torch.device) -> torch.device:
    """Returns a device that can be used; ``"auto"`` is CUDA where available, else the CPU.

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
    """Returns the dtype of a name; ``"auto"`` is bfloat16 on CUDA, else float32.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> choose_dtype("auto", torch.device("cpu"))
        torch.float32
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    chosen: torch.dtype = getattr(torch, dtype)
    return chosen


@dataclass
class StageCosts:
    """Measures the time and the peak memory of each stage of a run.

    Attributes:
        device: device of the work; it is synchronised at the end of each stage, so that the stage counts all its work.
        seconds: seconds of work, by stage.
        peak: peak memory in bytes, by stage: of the CUDA device, or else resident memory of the process. On systems
            that cannot reset the peak, it is the highest since the start of the process.

    Example:
        >>> costs = StageCosts(torch.device("cpu"))
        >>> with costs.stage("encode"):
        ...     _ = torch.ones(8).sum()
        >>> list(costs.seconds)
        ['encode']
    """

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the costs of a block to a stage."""
        self._reset_peak()
        start = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.add(name, time.perf_counter() - start)
            self.peak[name] = max(self.peak.get(name, 0), self._read_peak())

    def add(self, name: str, seconds: float) -> None:
        """Adds seconds of work in another thread to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def _reset_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):
                _RESET.write_text("5")

    def _read_peak(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        with suppress(OSError, StopIteration):
            line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
            return 1024 * int(line.split()[1])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
