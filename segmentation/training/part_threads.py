"""Parts of a batch, worked on at the same time."""

import copy
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_Model = TypeVar("_Model", bound=nn.Module)


class PartThreads(Generic[_Model]):
    """Threads for the parts of a batch.

    The operations of a small network are too short to be shared among cores; parts of a batch are not. Each thread has
    gradients of its own, and they are added in the order of the parts: the result does not depend on which thread is
    first, and is, bit for bit, that of one part after the other in one thread.

    Args:
        model: whose gradients are wanted.
        threads: how many parts at a time; with 1 there are no threads.

    Example:
        >>> linear = nn.Linear(2, 1, bias=False)
        >>> parts = PartThreads(linear, threads=2)
        >>> _ = parts.backward([lambda own: own(torch.ones(1, 2)).sum().backward() for _ in range(3)])
        >>> linear.weight.grad
        tensor([[3., 3.]])
    """

    def __init__(self, model: _Model, threads: int) -> None:
        self.model = model
        self.pool = ThreadPoolExecutor(threads, "part", torch.set_num_threads, (1,)) if threads > 1 else None
        self.twins: SimpleQueue[_Model] = SimpleQueue()
        for _ in range(threads if threads > 1 else 0):
            self.twins.put(_twin(model))

    def map(self, function: Callable[[_Given], _Made], parts: Iterable[_Given]) -> list[_Made]:
        """What a function makes of each part."""
        return list(map(function, parts) if self.pool is None else self.pool.map(function, parts))

    def backward(self, jobs: Sequence[Callable[[_Model], _Made]]) -> list[_Made]:
        """Adds the gradients of all jobs to the model's.

        Args:
            jobs: each is given a model with the same weights, and calls ``backward``.

        Returns:
            What each job returned.
        """
        if self.pool is None:
            return [job(self.model) for job in jobs]
        made = []
        for result, gradients in self.pool.map(self._alone, jobs):
            for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
            made.append(result)
        return made

    def _alone(self, job: Callable[[_Model], _Made]) -> tuple[_Made, list[Tensor | None]]:
        twin = self.twins.get()
        try:
            result = job(twin)
            return result, [parameter.grad for parameter in twin.parameters()]
        finally:
            twin.zero_grad(set_to_none=True)
            self.twins.put(twin)


def _twin(model: _Model) -> _Model:
    """A model in training, with the same weights in the same memory, and gradients of its own."""
    twin = copy.deepcopy(model).train()
    there = [*model.parameters(), *model.buffers()]
    for own, shared in zip([*twin.parameters(), *twin.buffers()], there, strict=True):
        own.data = shared.data
    return twin
