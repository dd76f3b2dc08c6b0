"""How much memory a call needs at its peak, beyond what was there before it."""

import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path

import torch

_RESET_PEAK = Path("/proc/self/clear_refs")
_M_MMAP_THRESHOLD = -3  # of glibc's mallopt
_MAPPED_FROM = 2**16  # bytes


def peak_extra_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Growth of the memory in use during ``call``, at its peak.

    On CUDA: ``torch.cuda.max_memory_allocated`` less what was allocated before.

    On CPU: growth of the resident set. Memory that the process freed earlier is given back to the system first, the
    kernel's high-water mark is set back to the present size, and afterwards ``ru_maxrss`` tells the mark that the call
    left. Every page that the call touches counts, its own results and the temporaries of every library included; pages
    reserved and never touched do not. The numbers are exact to a few hundred KB. Call it in a process of its own
    (:mod:`benchmarks.isolate`), after the call ran at least once, so that code pages and the buffers that libraries
    keep are there already: from here on, the allocator of the process hands out fresh pages for every block of 64 KiB
    or more, which is slower.

    ``None`` where the mark cannot be set back (not Linux).
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
    """Freed blocks that the allocator keeps would serve the call without showing in the resident set."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):  # glibc
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        library.malloc_trim(0)
