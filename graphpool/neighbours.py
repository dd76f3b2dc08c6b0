"""Weighted sums over incoming edges, without a row for every edge."""

from typing import Any

import torch
from torch import Tensor

from graphpool.precision import widen
from graphpool.segment import add_rows, take_rows

_CHUNK_BYTES = 2**22


def add_neighbours(x: Tensor, weight: Tensor, edge_index: Tensor, num_targets: int) -> Tensor:
    """``out[t] = sum over edges (s, t) of weight * x[s]``, ``[num_targets, channels]``.

    Deterministic; differentiable in ``x`` and ``weight``. On CPU edges are worked through in chunks.
    """
    return _AddNeighbours.apply(x, weight, edge_index, num_targets)


class _AddNeighbours(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, edge_index: Tensor, num_targets: int) -> Tensor:
        ctx.save_for_backward(x, weight, edge_index)
        source, target = edge_index
        if x.device.type == "cuda":  # atomics would be out of order, and sorting wants all rows at once
            return add_rows(take_rows(x, source) * weight.unsqueeze(1), target, num_targets)
        step = max(1, _CHUNK_BYTES // max(1, x.size(1) * x.element_size()))
        out = widen(x).new_zeros(num_targets, x.size(1))
        for start in range(0, source.numel(), step):
            part = slice(start, start + step)
            rows = widen(x.index_select(0, source[part])) * widen(weight[part]).unsqueeze(1)
            out.index_add_(0, target[part], rows)
        return out.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, edge_index = ctx.saved_tensors
        grad = grads[0]
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = add_neighbours(grad, weight, edge_index.flip(0), x.size(0))
        if ctx.needs_input_grad[1]:
            step = max(1, _CHUNK_BYTES // max(1, x.size(1) * x.element_size()))
            parts = zip(edge_index[0].split(step), edge_index[1].split(step), strict=True)
            dots = [(take_rows(x, source) * take_rows(grad, target)).sum(1) for source, target in parts]
            grad_weight = torch.cat([weight.new_zeros(0), *dots])
        return grad_x, grad_weight, None, None
