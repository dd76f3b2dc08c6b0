"""Runs calls in a process of their own, with limits on time and memory."""

import gc
import io
import multiprocessing
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal, TypeVar

import torch

from segmentation.base.wording import first_line

T = TypeVar("T")
_PRELOADED = [
    *("torch", "torch_geometric.nn", "scipy.sparse.csgraph", "graphpool"),
    *("timm", "segmentation.prediction.masker", "segmentation.evaluation.metrics.instance"),
]


@dataclass(frozen=True)
class Failed:
    """The reason why a call has no result."""

    cause: Literal["time", "memory", "error"]
    message: str


def in_fresh_process(function: Callable[..., T], *args: object) -> T | Failed:
    """Runs ``function(*args)`` in a process that has imported the libraries and done nothing else.

    The process is forked from a server without threads, allocations or a CUDA context, so that it starts within
    milliseconds and nothing of an earlier measurement is left in it. It may die: see :func:`time_limit` and
    :func:`memory_limit`. Exceptions come back as :class:`Failed`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    # by value: PyTorch would send a file descriptor for each tensor, and of those there can only be 256; not by pickle
    # alone, which writes the whole of what many tensors are views of for each of them
    job = io.BytesIO()
    torch.save((function, args), job)
    process = context.Process(target=_work, args=(sender, job.getvalue()), daemon=True)
    process.start()
    sender.close()
    try:
        result: T | Failed = receiver.recv()
    except EOFError:  # it died
        process.join()
        return _cause_of_death(process.exitcode)
    finally:
        receiver.close()
    process.join()
    return result


def _work(sender: Connection, job: bytes) -> None:
    # PyG's layers script and use sparse CSR, about which torch warns; not what is measured here
    warnings.simplefilter("ignore")
    gc.freeze()  # what the libraries brought need not be looked through
    try:
        function, args = torch.load(io.BytesIO(job), weights_only=False)
        result = function(*args)
    except (MemoryError, torch.OutOfMemoryError) as error:
        result = Failed("memory", first_line(error))
    except Exception as error:
        out_of_memory = "can't allocate memory" in str(error) or "not enough memory" in str(error)
        result = Failed("memory" if out_of_memory else "error", first_line(error))
    sender.send(result)


def _cause_of_death(exit_code: int | None) -> Failed:
    if exit_code == -signal.SIGALRM:
        return Failed("time", "took longer than the limit")
    if exit_code == -signal.SIGKILL:
        return Failed("memory", "killed by the system, which had no memory left")
    return Failed("error", f"its process ended with exit code {exit_code}")


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Kills this process if the block takes longer, in whatever library it is."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def memory_limit(gigabytes: float, device: torch.device) -> None:
    """Limits what this process can allocate from here on to so many 10^9 bytes, on the device it computes on."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, 1e9 * gigabytes / total), device)
        return
    with open("/proc/self/status") as status:
        used = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + int(1e9 * gigabytes), resource.RLIM_INFINITY))
