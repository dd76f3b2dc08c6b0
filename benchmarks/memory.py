"""Measures the peak memory of a call, and the memory of a process with all those that it started."""

import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path

import torch

_PROC = Path("/proc")
_RESET_PEAK = Path("/proc/self/clear_refs")
_M_MMAP_THRESHOLD = -3  # of glibc's mallopt
_MAPPED_FROM = 2**16  # bytes


def proportional_bytes(process: int | None) -> int | None:
    """Returns the memory of a process and its descendants; pages that several of them share count once.

    ``None`` where it is not known: not Linux, or the process has ended.
    """
    if process is None or not (_PROC / "self/smaps_rollup").exists():
        return None
    total = 0
    for number in [process, *_descendants(process)]:
        try:
            lines = (_PROC / str(number) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total or None


def _descendants(process: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [process]
    while waiting:
        own = children.get(waiting.pop(), [])
        found += own
        waiting += own
    return found


def peak_extra_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Returns by how much the memory in use grows during ``call``, at its peak.

    On CUDA: ``torch.cuda.max_memory_allocated`` less what was allocated before.

    On CPU: growth of the resident set. Memory that the process freed earlier is given back to the system first and the
    kernel's high-water mark is reset; after the call ``ru_maxrss`` has the new mark. Every page that the call touches
    counts, its own results and the temporaries of every library included; pages reserved and never touched do not. The
    numbers are exact to a few hundred KB. Call it in a process of its own (:mod:`benchmarks.isolate`), after the call
    ran at least once, so that code pages and the buffers that libraries keep are there already. From then on the
    allocator takes fresh pages for every block of 64 KiB or more, which is slower.

    ``None`` where the mark cannot be reset (not Linux).
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    if not _RESET_PEAK.exists():
        return None
    _give_freed_memory_back()
    _RESET_PEAK.write_text("5")
    before = _peak()
    call()
    return _peak() - before


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _give_freed_memory_back() -> None:
    """Gives freed blocks back to the system, since they would serve the call without showing in the resident set."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):  # glibc
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        library.malloc_trim(0)
