"""Second moments of the tokens of each graph, and the few directions in which most of them lies."""

from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.layout import Layout
from graphpool.precision import full_precision
from graphpool.products import block_product

_DIRECTIONS = 64
_WORTH_FEW = 2  # times as many channels
_ITERATIONS = 2  # of the subspace


class Principal(NamedTuple):
    """A subspace of the channels, and a bound on the moments outside it.

    It holds for whatever subspace; one of the principal directions makes it small.

    Attributes:
        basis: orthonormal columns, ``[graphs, channels, directions]``.
        inside: moments in the subspace, ``[graphs, directions, directions]``.
        outside: largest moment in any direction orthogonal to it, at most, ``[graphs]``.
    """

    basis: Tensor
    inside: Tensor
    outside: Tensor


def second_moments(tokens: Tensor, layout: Layout) -> Tensor:
    """Mean product of two channels over the tokens of each graph, ``[graphs, channels, channels]``."""
    with full_precision(tokens.device):
        if tokens.is_cpu:
            products = tokens.new_empty(layout.num_graphs, tokens.size(1), tokens.size(1))
            for own, product in zip(layout.split(tokens), products, strict=True):
                block_product(own.T, own.T, product, symmetric=True)
        else:
            padded = layout.pad(tokens)
            products = torch.bmm(padded.transpose(1, 2), padded)
    return products / layout.ptr.diff().clamp(min=1).view(-1, 1, 1)


def worth_few_directions(moments: Tensor) -> bool:
    """Whether a product with few directions is much cheaper than one with the moments. QR is slow on CUDA."""
    return moments.is_cpu and moments.size(1) >= _WORTH_FEW * _DIRECTIONS


def principal(moments: Tensor, tokens: Tensor, layout: Layout) -> Principal:
    """The subspace of few directions, by subspace iteration from evenly spaced tokens.

    The largest moment outside is the root of that of what is left squared, which is at most its Frobenius norm.
    """
    spaced = torch.arange(_DIRECTIONS, device=tokens.device) * layout.ptr.diff().unsqueeze(1) // _DIRECTIONS
    index = (layout.ptr[:-1].unsqueeze(1) + spaced).clamp(max=max(0, tokens.size(0) - 1))
    basis = tokens[index].transpose(1, 2)
    for _ in range(_ITERATIONS):
        basis = torch.linalg.qr(moments @ basis)[0]
    product = moments @ basis
    inside = basis.transpose(1, 2) @ product
    half = torch.baddbmm(product, basis, inside, alpha=-0.5)
    rest = moments.baddbmm(half, basis.transpose(1, 2), alpha=-1)
    rest = rest.baddbmm_(basis, half.transpose(1, 2), alpha=-1)
    squared = torch.empty_like(rest)
    for own, out in zip(rest, squared, strict=True):
        block_product(own, own, out, symmetric=True)
    return Principal(basis, inside, squared.flatten(1).norm(dim=1).sqrt())
