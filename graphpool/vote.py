"""Features of supernodes by a vote of their tokens: Eq. 6."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from graphpool.affinity import AffinityColumns
from graphpool.batch_layout import Layout
from graphpool.checks import check_choice, check_number, check_same_device, check_tensor
from graphpool.precision import full_precision, widen

LOGITS = ("sum", "mean")
_CHUNK_BYTES = {"cpu": 2**22, "cuda": 2**28}


def token_vote(
    sums: Float[Tensor, "supernodes channels"],
    tokens: Float[Tensor, "tokens channels"],
    temperature: float = 0.07,
    logits: str = "sum",
    *,
    area: Int[Tensor, " supernodes"] | None = None,
    values: Float[Tensor, "tokens values"] | None = None,
) -> Float[Tensor, "supernodes values"]:
    r"""Computes the features of the supernodes of one graph by the paper's Eq. 6,
    :math:`V_i = \mathrm{L2N}\{\mathrm{softmax}(M_i A / \sigma)\, F\}`.

    It is attention: the query is the sum of a supernode's tokens (:math:`M_i A = (\sum_{k \in i} F_k) F^\top`), keys
    and values are all tokens, and the scale is one over the temperature. Neither A nor a mask is built: queries are
    worked through in chunks. Differentiable in ``sums``, ``tokens`` and ``values``.

    Args:
        sums: sum of the token features of each supernode, ``[num_supernodes, channels]``.
        tokens: unit token features F, ``[num_tokens, channels]``.
        temperature: the paper's :math:`\sigma`, positive.
        logits: ``"sum"``, the paper's formula to the letter: the larger a supernode, the sharper its softmax, down to
            nearly its medoid. ``"mean"`` divides by the area first.
        area: number of tokens of each supernode, ``[num_supernodes]``, int32 or int64; needed for ``"mean"`` only.
        values: rows to average instead of the tokens, ``[num_tokens, value_channels]``.

    Returns:
        Features of unit length, ``[num_supernodes, value_channels]``, in the dtype of ``sums`` (computed in fp32 or
        better).

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, a temperature that is not positive, ``logits="mean"`` without ``area``.

    Example:
        >>> tokens = torch.eye(2)
        >>> token_vote(tokens[:1] + tokens[1:], tokens)
        tensor([[0.7071, 0.7071]])
    """
    check_tensor("sums", sums, dims=2)
    check_tensor("tokens", tokens, dims=2)
    check_number("temperature", temperature, 0.0, float("inf"), open_low=True)
    check_choice("logits", logits, LOGITS)
    if sums.size(1) != tokens.size(1):
        raise ValueError(f"'sums' must have the {tokens.size(1)} channels of 'tokens', got {sums.size(1)}")
    if logits == "mean":
        if area is None:
            raise ValueError("'area' must be given for logits='mean', got None")
        check_tensor("area", area, dims=1, kind="integer", rows=(sums.size(0), "supernodes"))
    if values is not None:
        check_tensor("values", values, dims=2, rows=(tokens.size(0), "tokens"))
    check_same_device(sums=sums, tokens=tokens, area=area, values=values)
    keys = widen(tokens)
    columns = AffinityColumns(keys, _single_graph(keys))
    values = keys if values is None else widen(values)
    area = area if logits == "mean" else None
    voted = vote_by_sums(widen(sums), _single_graph(sums), columns, values, temperature, area)
    return F.normalize(voted, dim=1).to(sums.dtype)


def _single_graph(x: Tensor) -> Layout:
    return Layout.of(torch.zeros(x.size(0), dtype=torch.long, device=x.device), 1)


def vote_by_sums(
    sums: Tensor, layout: Layout, columns: AffinityColumns, values: Tensor, temperature: float, area: Tensor | None
) -> Tensor:
    """Averages ``values``, a row for each column token, with the weights of Eq. 6, before normalisation.

    The weights of all supernodes never exist at once: on CPU they are computed for a chunk of one graph at a time, on
    CUDA for a chunk of every graph at a time.
    """
    scale = sums.new_full((sums.size(0), 1), 1 / temperature)
    if area is not None:
        scale = scale / area.to(sums.dtype).unsqueeze(1)
    with full_precision(sums.device):
        return (_vote_by_graph if sums.is_cpu else _vote_padded)(sums, layout, columns, values, scale)


def _vote_by_graph(sums: Tensor, layout: Layout, columns: AffinityColumns, values: Tensor, scale: Tensor) -> Tensor:
    step = max(1, _CHUNK_BYTES["cpu"] // max(1, columns.layout.largest * sums.element_size()))
    chunks = [values.new_zeros(0, values.size(1))]
    by_graph = (layout.split(sums), layout.split(scale), columns.layout.split(columns.tokens))
    for queries, factors, keys, graph_values in zip(*by_graph, columns.layout.split(values), strict=True):
        for query, factor in zip(queries.split(step), factors.split(step), strict=True):
            chunks.append(((query @ keys.T) * factor).softmax(1) @ graph_values)
    return torch.cat(chunks)


def _vote_padded(sums: Tensor, layout: Layout, columns: AffinityColumns, values: Tensor, scale: Tensor) -> Tensor:
    step = max(1, _CHUNK_BYTES["cuda"] // max(1, layout.num_graphs * columns.layout.largest * sums.element_size()))
    keys, values = columns.layout.pad(columns.tokens).transpose(1, 2), columns.layout.pad(values)
    chunks = [values.new_zeros(layout.num_graphs, 0, values.size(2))]
    for query, factor in zip(layout.pad(sums).split(step, 1), layout.pad(scale).split(step, 1), strict=True):
        logits = torch.bmm(query, keys) * factor
        if not columns.layout.uniform:  # the columns that a graph does not have get no weight
            logits = logits.masked_fill(~columns.layout.padded_mask.unsqueeze(1), float("-inf"))
        chunks.append(torch.bmm(logits.softmax(2), values))
    return layout.unpad(torch.cat(chunks, 1))
