"""Time and memory by stage."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class StageCosts:
    """Seconds of work and peak memory of each stage of a run.

    Attributes:
        device: waited for at the end of each stage, so that its work counts where it belongs.
        seconds: by stage.
        peak: bytes, by stage: of the whole process at its highest while the stage ran (resident memory), or of the
            CUDA device where there is one. On systems that cannot forget an earlier peak, the highest so far.

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
        """Counts what happens inside to a stage."""
        self._forget_peak()
        start = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.add(name, time.perf_counter() - start)
            self.peak[name] = max(self.peak.get(name, 0), self._peak())

    def add(self, name: str, seconds: float) -> None:
        """Counts work that was done elsewhere, in a thread, to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def _forget_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):
                _RESET.write_text("5")

    def _peak(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        with suppress(OSError, StopIteration):
            line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
            return 1024 * int(line.split()[1])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
