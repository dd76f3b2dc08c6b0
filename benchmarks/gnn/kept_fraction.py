"""Makes layers with a threshold keep a given fraction of the nodes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from benchmarks.gnn.pools import Merging
from graphpool import connected_components


def match_kept_fraction(network: nn.Module, layers: Sequence[nn.Module], batches: Sequence[Batch], kept: float) -> None:
    """Sets the threshold of every merging layer so that about a fraction ``kept`` of its input's nodes are left.

    Layers are set in the order in which they are passed. What is left depends on the features, so this has to be done
    again as the network learns.
    """
    was_training = network.training
    network.eval()
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, Merging):
                seen = _inputs_of(layer, network, batches)
                layer.set_threshold(threshold_for(kept, seen))
    network.train(was_training)


def threshold_for(kept: float, graphs: Sequence[tuple[Tensor, Tensor, int]]) -> float:
    """Returns the threshold that leaves a fraction of the nodes closest to ``kept``, by bisection among the scores.

    Args:
        kept: fraction in (0, 1].
        graphs: scores ``[E]``, edges ``[2, E]`` and number of nodes of each graph.
    """

    def left(threshold: float) -> float:
        counts = [
            int(connected_components(edges, size, edge_mask=score > threshold).count) for score, edges, size in graphs
        ]
        return sum(counts) / max(sum(size for *_, size in graphs), 1)

    values = torch.cat([score for score, *_ in graphs]).unique()
    if not values.numel():
        return 0.0
    # below the first everything merges; above the last nothing does
    candidates = [float(values[0]) - 1.0, *values.tolist()]
    low, high = 0, len(candidates) - 1  # the first that leaves enough is in low ... high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if left(candidates[middle]) >= kept else (middle + 1, high)
    around = candidates[max(low - 1, 0) : low + 1]
    return min(around, key=lambda threshold: abs(left(threshold) - kept))


def _inputs_of(
    layer: Merging, network: Callable[..., object], batches: Sequence[Batch]
) -> list[tuple[Tensor, Tensor, int]]:
    """Returns scores, edges and number of nodes of the graphs that reach a layer."""
    seen: list[tuple[Tensor, Tensor, int]] = []

    def look(module: nn.Module, arguments: tuple[Tensor, Tensor, Tensor | None, Tensor]) -> None:
        x, edge_index, _, batch = arguments
        seen.append((layer.score(x, edge_index, batch), edge_index, x.size(0)))

    handle = layer.register_forward_pre_hook(look)
    try:
        for batch in batches:
            network(batch)
    finally:
        handle.remove()
    return seen
