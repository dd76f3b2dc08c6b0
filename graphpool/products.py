"""Products of the rows of each graph with rows of the same graph."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool.layout import Layout

_BLOCKS = 8  # of the symmetric product: 9/16 of the multiplications of the plain one
_FEWEST_CHANNELS = 192  # for which multiplying costs more than copying


def product_with_columns(rows: Tensor, layout: Layout, columns: Tensor, column_layout: Layout) -> Tensor:
    """The product of the rows of each graph with the transposed columns of the same graph, ``[num_rows, widest]``.

    Zero beyond the columns that a graph has. On CPU that is a product for each graph: no padding is multiplied, and a
    graph gets bit for bit what it gets alone. On CUDA it is one padded product.
    """
    if layout.num_graphs == 1:
        return rows @ columns.T
    if not rows.is_cpu:
        return layout.unpad(torch.bmm(layout.pad(rows), column_layout.pad(columns).transpose(1, 2)))
    widest = column_layout.largest
    parts = [rows.new_zeros(0, widest)]
    for left, right in zip(layout.split(rows), column_layout.split(columns), strict=True):
        parts.append(F.pad(left @ right.T, (0, widest - right.size(0))))
    return torch.cat(parts)


def block_product(rows: Tensor, columns: Tensor, out: Tensor, *, symmetric: bool) -> None:
    """The product of ``rows`` with the transposed ``columns`` of one graph on CPU, written to ``out``.

    If it is symmetric (both are the same), half of it is copied instead of multiplied, where that is quicker.
    """
    size = rows.size(0)
    if not symmetric or min(rows.shape) < _FEWEST_CHANNELS:
        torch.mm(rows, columns.T, out=out)
        return
    step = max(1, -(-size // _BLOCKS))
    for start in range(0, size, step):
        stop = min(start + step, size)
        torch.mm(rows[start:stop], columns[start:].T, out=out[start:stop, start:])
        out[stop:, start:stop] = out[start:stop, stop:].T
