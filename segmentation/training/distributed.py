"""Connects the processes of a training run, on one machine or many."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from segmentation.base.wording import first_line

_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
_MEETING = ("MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(hours=1)  # the others wait while the first one writes, or evaluates
_BUCKET = 2**25  # numbers that are sent at once


@dataclass(frozen=True)
class Processes:
    """One process among those that train together.

    Attributes:
        device: device of this process.
        rank: number of this process, from 0, over all machines.
        world: number of processes.

    Example:
        >>> alone = Processes(torch.device("cpu"))
        >>> alone.is_main, alone.agree(False)
        (True, False)
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    @classmethod
    def start(cls, device: torch.device) -> "Processes":
        """Joins the processes that torchrun started; one process alone where there is no torchrun.

        The backend is NCCL on CUDA, where each process takes the device of its local rank, else Gloo.

        Args:
            device: kind of device to train on.

        Raises:
            ValueError: the variables that torchrun sets are there in part, or make no sense.
            ConnectionError: the other processes cannot be reached.
        """
        found = _torchrun(os.environ)
        if found is None:
            return cls(device)
        rank, world, local = found
        if device.type == "cuda":
            if local >= torch.cuda.device_count():
                raise ValueError(
                    f"'LOCAL_RANK' must be below the number of CUDA devices ({torch.cuda.device_count()}), got "
                    f"{local}: start fewer processes (torchrun --nproc-per-node)"
                )
            device = torch.device("cuda", local)
            torch.cuda.set_device(device)
        if world > 1:
            _join(rank, world, device)
        return cls(device, rank, world)

    def close(self) -> None:
        """Leaves the process group."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def is_main(self) -> bool:
        """Tells whether this process is the one that writes and prints."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sums a tensor over all processes, on the device of ``values``."""
        if self.world == 1:
            return values
        summed = values.detach().to(self.device, copy=True, memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed.to(values.device)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Sums the gradients of all processes, in every process.

        That is the gradient of the whole batch, since each process divides its loss by the count of the whole batch. A
        parameter without a gradient counts as zero; one that has none in any process stays without.

        Args:
            parameters: the same parameters, in the same order, in every process.
        """
        if self.world > 1:
            for bucket in _buckets(parameters):
                self._sum_bucket(bucket)

    def agree(self, flag: bool) -> bool:
        """Tells every process whether the flag is set in any of them."""
        return bool(self.sum(torch.tensor(int(flag))) > 0)

    def barrier(self) -> None:
        """Waits until all processes are here."""
        self.agree(False)

    def _sum_bucket(self, parameters: list[Tensor]) -> None:
        missing = [torch.zeros_like(parameter) if parameter.grad is None else None for parameter in parameters]
        gradients = [own.grad if zeros is None else zeros for own, zeros in zip(parameters, missing, strict=True)]
        given = parameters[0].new_tensor([float(zeros is None) for zeros in missing])
        sent = torch.cat([*(gradient.reshape(-1) for gradient in gradients if gradient is not None), given])
        dist.all_reduce(sent)
        sizes = [parameter.numel() for parameter in parameters]
        *summed, given = sent.split([*sizes, len(parameters)])
        for parameter, total, count in zip(parameters, summed, given.tolist(), strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(total.view_as(parameter))
            elif count:
                parameter.grad = total.view_as(parameter).clone()


def _torchrun(environment: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Reads rank, world size and local rank that torchrun set; None without torchrun."""
    if not any(name in environment for name in _NUMBERS):
        return None
    missing = [name for name in _NUMBERS if name not in environment]
    if missing:
        there = [name for name in _NUMBERS if name in environment]
        raise ValueError(
            f"the environment has {' and '.join(there)} but no {' and '.join(missing)}: start with torchrun, which "
            "sets all of them, or unset them to train in one process"
        )
    for name in _NUMBERS:
        if not environment[name].isdecimal():
            raise ValueError(f"the environment variable {name} must be a number, got {environment[name]!r}")
    rank, world, local = (int(environment[name]) for name in _NUMBERS)
    if rank >= world:
        raise ValueError(f"the environment variable RANK must be below WORLD_SIZE ({world}), got {rank}")
    missing = [name for name in _MEETING if name not in environment]
    if world > 1 and missing:
        raise ValueError(
            f"the environment has WORLD_SIZE={world} but no {' and '.join(missing)}: start with torchrun, which sets "
            "them"
        )
    return rank, world, local


def _join(rank: int, world: int, device: torch.device) -> None:
    on_cuda = device.type == "cuda"
    try:
        dist.init_process_group(
            "nccl" if on_cuda else "gloo",
            rank=rank,
            world_size=world,
            timeout=_PATIENCE,
            device_id=device if on_cuda else None,
        )
    except (RuntimeError, ValueError) as error:
        where = ":".join(os.environ[name] for name in _MEETING)
        raise ConnectionError(
            f"process {rank} of {world} could not join the others at {where}: {first_line(error)}"
        ) from error


def _buckets(parameters: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Groups consecutive parameters of one dtype into buckets small enough to be copied."""
    bucket: list[Tensor] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.numel() > _BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket
