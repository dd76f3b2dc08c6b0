"""Checks of arguments, and the errors that bad ones get: name of the argument, what was expected and what came.

Checks of types and shapes are free. Checks of *values* (indices in range, a sorted batch) read the device, so each
public call gathers them in one host sync. Under ``torch.compile`` only the free ones run.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

# kinds of tensors: what errors call their dtypes, and which dtypes those are
_KINDS: dict[str, tuple[str, Callable[[torch.dtype], bool]]] = {
    "floating": ("floating point", lambda dtype: dtype.is_floating_point),
    "integer": ("int32 or int64", lambda dtype: dtype in (torch.int32, torch.int64)),
    "number": ("integer or floating point", lambda dtype: dtype != torch.bool and not dtype.is_complex),
    "bool": ("bool", lambda dtype: dtype == torch.bool),
    "any": ("any", lambda _: True),
}


class Graph(NamedTuple):
    """Checked arguments of a pooling layer, with int64 indices and a ``batch`` vector where none was given."""

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor | None
    batch: Tensor
    num_graphs: int


def describe(value: Any) -> str:
    """Describes a value in an error message: dtype and shape of a tensor, else type and value."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {list(value.shape)}"
    return f"{type(value).__name__} {value!r}"


def check_tensor(
    name: str, value: Any, *, dims: int | None = None, kind: str = "floating", rows: tuple[int, str] | None = None
) -> None:
    """Raises unless ``value`` is a strided tensor of a kind of ``_KINDS`` with ``dims`` dimensions and, where ``rows``
    are given as their number and the name of things that have one each, so many rows.
    """
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        raise TypeError(f"'{name}' must be a dense torch.Tensor, got {describe(value)}")
    expected, fits = _KINDS[kind]
    if not fits(value.dtype):
        raise TypeError(f"'{name}' must be a tensor of dtype {expected}, got {describe(value)}")
    if dims is not None and value.dim() != dims:
        raise ValueError(f"'{name}' must have {dims} dimension{'s' * (dims != 1)}, got {describe(value)}")
    if rows is not None:
        check_rows(name, value, *rows)


def check_same_device(**tensors: Tensor | None) -> None:
    """Raises unless all the given tensors are on one device."""
    there = {name: value.device for name, value in tensors.items() if value is not None}
    if len(set(there.values())) > 1:
        listed = ", ".join(f"'{name}' on {device}" for name, device in there.items())
        raise ValueError(f"all tensors must be on one device, got {listed}")


def check_number(name: str, value: Any, low: float, high: float, *, open_low: bool = False) -> float:
    """Raises unless ``value`` is a number in ``[low, high]`` (``(low, high]`` with ``open_low``); returns a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"'{name}' must be a number, got {describe(value)}")
    if not (low < value if open_low else low <= value) or not value <= high:
        raise ValueError(f"'{name}' must be in {'(' if open_low else '['}{low}, {high}], got {value}")
    return float(value)


def check_count(name: str, value: Any, low: int) -> int:
    """Raises unless ``value`` is an int of at least ``low``; returns it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"'{name}' must be an int, got {describe(value)}")
    if value < low:
        raise ValueError(f"'{name}' must be at least {low}, got {value}")
    return value


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raises unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"'{name}' must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_rows(name: str, value: Tensor, count: int, of: str) -> None:
    """Raises unless ``value`` has ``count`` rows, one for each of the things named ``of``."""
    if value.dim() == 0 or value.size(0) != count:
        raise ValueError(f"'{name}' must have one row for each of the {count} {of}, got {describe(value)}")


def check_edge_index_type(edge_index: Any, name: str = "edge_index") -> Tensor:
    """Checks type and shape of edges; returns them as a plain int64 tensor."""
    as_tensor = getattr(edge_index, "as_tensor", None)  # torch_geometric.EdgeIndex
    if as_tensor is not None:
        edge_index = as_tensor()
    check_tensor(name, edge_index, dims=2, kind="integer")
    if edge_index.size(0) != 2:
        raise ValueError(f"'{name}' must have shape [2, num_edges], got {describe(edge_index)}")
    return edge_index.long()


def check_edge_index(edge_index: Any, num_nodes: int, name: str = "edge_index") -> Tensor:
    """Checks type, shape and range of edges; returns them as a plain int64 tensor. One host sync."""
    edge_index = check_edge_index_type(edge_index, name)
    if edge_index.numel() and not torch.compiler.is_compiling():
        low, high = torch.stack(torch.aminmax(edge_index)).tolist()
        check_range(name, low, high, num_nodes, "nodes")
    return edge_index


def count_nodes(edge_index: Any) -> int:
    """Counts the nodes up to the largest that an edge names, where their number is not given. One host sync."""
    check_tensor("edge_index", edge_index, dims=2, kind="integer")
    if torch.compiler.is_compiling():
        raise ValueError("'num_nodes' must be given under torch.compile: it is a shape")
    return int(edge_index.max()) + 1 if edge_index.numel() else 0


def check_range(name: str, low: int, high: int, count: int, of: str) -> None:
    """Raises unless indices from ``low`` to ``high`` are indices of ``count`` things, named ``of``."""
    if low < 0 or high >= count:
        raise ValueError(
            f"'{name}' must hold indices from 0 to {count - 1} ({count} {of}), got values from {low} to {high}"
        )


def check_cluster(cluster: Any, num_clusters: int | None, name: str = "cluster") -> tuple[Tensor, int]:
    """Checks an assignment of nodes to clusters; returns it as int64 with the number of clusters. One host sync."""
    check_tensor(name, cluster, dims=1, kind="integer")
    if num_clusters is not None:
        check_count("num_clusters", num_clusters, 0)
    if torch.compiler.is_compiling():
        if num_clusters is None:
            raise ValueError("'num_clusters' must be given under torch.compile: it is a shape")
    elif cluster.numel():
        low, high = torch.stack(torch.aminmax(cluster)).tolist()
        num_clusters = high + 1 if num_clusters is None else num_clusters
        check_range(name, low, high, num_clusters, "clusters")
    return cluster.long(), num_clusters or 0


def check_graph(x: Any, edge_index: Any, edge_attr: Any, batch: Any, batch_size: int | None = None) -> Graph:
    """Checks the arguments that every pooling layer takes. One host sync, and one more for several graphs."""
    check_tensor("x", x, dims=2)
    edge_index = check_edge_index_type(edge_index)
    num_nodes = x.size(0)
    if edge_attr is not None:
        check_tensor("edge_attr", edge_attr, kind="number", rows=(edge_index.size(1), "edges"))
    if batch_size is not None:
        check_count("batch_size", batch_size, 0)
    given = batch is not None
    if given:
        check_tensor("batch", batch, dims=1, kind="integer", rows=(num_nodes, "nodes"))
        batch = batch.long()
    else:
        batch = torch.zeros(num_nodes, dtype=torch.long, device=x.device)
    check_same_device(x=x, edge_index=edge_index, edge_attr=edge_attr, batch=batch)
    num_graphs = _check_values(num_nodes, edge_index, batch if given else None, batch_size)
    return Graph(x, edge_index, edge_attr, batch, num_graphs)


def _check_values(num_nodes: int, edge_index: Tensor, batch: Tensor | None, batch_size: int | None) -> int:
    """Checks the values of edges and of a batch vector; returns the number of graphs."""
    queries = list(torch.aminmax(edge_index)) if edge_index.numel() else []
    if batch is not None and num_nodes:
        queries += [batch[0], batch[-1], (batch[1:] < batch[:-1]).any()]
    answers = torch.stack([query.long() for query in queries]).tolist() if queries else []
    if edge_index.numel():
        low, high, *answers = answers
        check_range("edge_index", low, high, num_nodes, "nodes")
    first, last, unsorted = answers or (0, -1, 0)
    if unsorted:
        raise ValueError("'batch' must be sorted (nodes of one graph stand together), got an unsorted batch vector")
    if first < 0:
        raise ValueError(f"'batch' must hold graph indices from 0 on, got {first}")
    if batch is None:
        expected = 1 if batch_size is None else batch_size
        if expected != 1 and not (expected == 0 and num_nodes == 0):
            raise ValueError(f"'batch_size' is {batch_size} but 'batch' is None, which means one graph")
        return expected
    if batch_size is None:
        batch_size = last + 1
    elif last >= batch_size:
        raise ValueError(f"'batch' must hold graph indices below batch_size={batch_size}, got {last}")
    if edge_index.numel() and last > 0 and bool((batch[edge_index[0]] != batch[edge_index[1]]).any()):
        raise ValueError("'edge_index' must not join nodes of different graphs of 'batch', got edges that do")
    return batch_size
