"""Works on the micro-batches of a step at the same time, in threads."""

import copy
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Model = TypeVar("_Model", bound=nn.Module)


class MicroBatchThreads(Generic[_Model]):
    """Threads that share the micro-batches of a step.

    The operations of a small network are too short to be shared among cores; micro-batches are not. Each thread has
    gradients of its own, and they are added in the order of the micro-batches: the result does not depend on which
    thread is first, and is, bit for bit, that of one thread that takes them in turn.

    Args:
        model: model whose gradients are accumulated.
        threads: number of threads; with 1 none is started.

    Example:
        >>> linear = nn.Linear(2, 1, bias=False)
        >>> threads = MicroBatchThreads(linear, threads=2)
        >>> _ = threads.backward([lambda own: own(torch.ones(1, 2)).sum().backward() for _ in range(3)])
        >>> linear.weight.grad
        tensor([[3., 3.]])
    """

    def __init__(self, model: _Model, threads: int) -> None:
        self.model = model
        self.pool = ThreadPoolExecutor(threads, "micro-batch", torch.set_num_threads, (1,)) if threads > 1 else None
        self.twins: SimpleQueue[_Model] = SimpleQueue()
        for _ in range(threads if threads > 1 else 0):
            self.twins.put(_twin(model))

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Applies a function to each item, in the threads."""
        return list(map(function, items) if self.pool is None else self.pool.map(function, items))

    def backward(self, jobs: Sequence[Callable[[_Model], _Result]]) -> list[_Result]:
        """Runs all jobs and adds their gradients to the model's.

        Args:
            jobs: functions that take a model with the same weights and call ``backward``.

        Returns:
            The result of each job.
        """
        if self.pool is None:
            return [job(self.model) for job in jobs]
        results = []
        for result, gradients in self.pool.map(self._run, jobs):
            for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
            results.append(result)
        return results

    def _run(self, job: Callable[[_Model], _Result]) -> tuple[_Result, list[Tensor | None]]:
        twin = self.twins.get()
        try:
            result = job(twin)
            return result, [parameter.grad for parameter in twin.parameters()]
        finally:
            twin.zero_grad(set_to_none=True)
            self.twins.put(twin)


def _twin(model: _Model) -> _Model:
    """Copies a model in training mode: the weights share their memory, the gradients do not."""
    twin = copy.deepcopy(model).train()
    there = [*model.parameters(), *model.buffers()]
    for own, shared in zip([*twin.parameters(), *twin.buffers()], there, strict=True):
        own.data = shared.data
    return twin
