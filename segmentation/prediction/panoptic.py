"""Merges masks into maps: a panoptic segment, and a semantic cluster, for each pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int16, Int32
from scipy.ndimage import find_objects
from torch import Tensor

from segmentation.prediction.queries import QueryMasks
from segmentation.segments.pixel_masks import enlarged_masks
from segmentation.segments.segment import Segment


@dataclass(frozen=True)
class PanopticSegment:
    """One segment of a panoptic map.

    Attributes:
        id: value of its pixels in the map, from 1.
        cluster: cluster that the model assigns.
        is_thing: whether it is a thing or stuff.
        score: objectness of its query; of stuff, the highest of its queries.
        area: area in pixels.
        box: ``(x, y, width, height)`` in pixels.
    """

    id: int
    cluster: int
    is_thing: bool
    score: float
    area: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Panoptic:
    """A panoptic map.

    Attributes:
        ids: segment of each pixel, 0 for none.
        segments: segments in the order of their ids, those of instance queries first.
    """

    ids: Int32[np.ndarray, "height width"]
    segments: tuple[PanopticSegment, ...]


def panoptic_maps(
    queries: QueryMasks,
    photo: Float[Tensor, "3 height width"],
    *,
    confidences: Sequence[float],
    overlap: float,
    stuff_area: int,
    refine: bool,
    is_thing: Mapping[int, bool] | None = None,
) -> list[Panoptic]:
    """Merges query masks to panoptic maps as Mask2Former does: things from instance queries, stuff from semantic ones.

    Each pixel goes to the query with the highest objectness times mask, and belongs to its segment if the mask there is
    above 0.5. Where the thingness of its cluster is known, objectness is multiplied with it. Queries of stuff of one
    cluster are one segment.

    Args:
        queries: masks of the queries in the photo.
        photo: the photo in [0, 1], on the device of the masks.
        confidences: least objectness of the queries in each map; the masks are enlarged once for all maps.
        overlap: least share of its mask that a query must win; others are left out.
        stuff_area: least area of stuff, in pixels.
        refine: whether masks follow the edges of the photo.
        is_thing: whether each cluster is a thing, whichever query finds it; for other clusters the kind of the query
            decides.

    Example:
        >>> logits = torch.tensor([[[9.0, 9.0, -9.0, -9.0]], [[-9.0, 9.0, 9.0, -9.0]], [[-9.0, -9.0, -9.0, 9.0]]])
        >>> queries = QueryMasks(logits, torch.tensor([0.9, 0.6, 0.7]), torch.tensor([4, 2, 2]), num_instance=1)
        >>> options = {"confidences": [0.5], "overlap": 0.4, "stuff_area": 2, "refine": False}
        >>> panoptic_maps(queries, torch.zeros(3, 1, 4), **options)[0].ids.tolist()
        [[1, 1, 2, 2]]
    """
    objectness = queries.objectness if queries.thingness is None else queries.objectness * queries.thingness
    kept = (objectness >= min(confidences)).nonzero().view(-1)
    if not kept.numel():
        return [Panoptic(np.zeros(photo.shape[1:], dtype=np.int32), ()) for _ in confidences]
    objectness, clusters = objectness[kept], queries.clusters[kept].tolist()
    thing = [query < queries.num_instance for query in kept.tolist()]
    if is_thing is not None:
        thing = [is_thing.get(cluster, default) for cluster, default in zip(clusters, thing, strict=True)]
    rivals = objectness >= torch.tensor(confidences, device=photo.device).unsqueeze(1)
    winners, areas = _winners(queries.logits[kept].sigmoid(), objectness, rivals, photo, refine)
    least = np.array([1, *(1 if each else max(1, stuff_area) for each in thing)])
    scores = objectness.tolist()
    merged = []
    for won, inside in winners:
        shares = np.bincount(won.ravel(), minlength=len(areas)) / np.maximum(areas, 1)
        joined = _joined(clusters, thing, (areas > 0) & (shares >= overlap))
        merged.append(_numbered(np.where(inside, joined[won], 0), joined, least, clusters, thing, scores))
    return merged


def _numbered(
    ids: np.ndarray,
    joined: np.ndarray,
    least: np.ndarray,
    clusters: Sequence[int],
    thing: Sequence[bool],
    scores: Sequence[float],
) -> Panoptic:
    """Keeps the segments that are large enough, and numbers them without gaps.

    Args:
        ids: segment of each pixel, 0 for none.
        joined: segment of each query.
        least: least area of each segment, in pixels.
        clusters, thing, scores: cluster, kind and score of each query.
    """
    pixels = np.bincount(ids.ravel(), minlength=len(least))
    there = pixels >= least
    there[0] = False
    number = np.where(there, there.cumsum(), 0).astype(np.int32)
    ids, joined = number[ids], number[joined]
    segments = []
    for index, box in enumerate(find_objects(ids), start=1):
        members = (joined == index).nonzero()[0].tolist()
        first, score = members[0], max(scores[member] for member in members)
        area = int(pixels[first + 1])
        segments.append(PanopticSegment(index, clusters[first], thing[first], score, area, _corner_and_size(box)))
    return Panoptic(ids, tuple(segments))


def _joined(clusters: Sequence[int], thing: Sequence[bool], good: Bool[np.ndarray, " queries"]) -> np.ndarray:
    """Gives each query its segment, from 1, or 0 for none; stuff of one cluster is one segment."""
    segment = np.zeros(len(clusters), dtype=np.int32)
    first: dict[int, int] = {}
    for query in good.nonzero()[0].tolist():
        segment[query] = query + 1 if thing[query] else first.setdefault(clusters[query], query + 1)
    return segment


def _corner_and_size(box: tuple[slice, ...]) -> tuple[int, int, int, int]:
    rows, columns = box
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def _winners(
    soft: Float[Tensor, "queries rows columns"],
    objectness: Float[Tensor, " queries"],
    rivals: Bool[Tensor, "merges queries"],
    photo: Float[Tensor, "3 height width"],
    refine: bool,
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Finds, for each merge, the query that wins each pixel among its rivals (the first query where there are none) and
    whether its mask is above 0.5 there; and the area of each query's mask.
    """
    shape = (len(rivals), *photo.shape[1:])
    best = photo.new_full(shape, -torch.inf)
    won = torch.zeros(shape, dtype=torch.long, device=photo.device)
    inside = torch.zeros(shape, dtype=torch.bool, device=photo.device)
    areas = []
    start = 0
    for part in enlarged_masks(soft, photo, refine=refine):
        above = part > 0.5
        weighted = objectness[start : start + len(part), None, None] * part
        for merge, own in enumerate(rivals[:, start : start + len(part)]):
            places = own.nonzero().view(-1)
            if places.numel():
                most, index = weighted[places].max(0)
                better = most > best[merge]
                best[merge] = torch.where(better, most, best[merge])
                won[merge] = torch.where(better, start + places[index], won[merge])
                inside[merge] = torch.where(better, above[places].gather(0, index[None])[0], inside[merge])
        areas.append(above.flatten(1).sum(1))
        start += len(part)
    pairs = zip(won.cpu().numpy(), inside.cpu().numpy(), strict=True)
    return list(pairs), torch.cat(areas).cpu().numpy()


def semantic_map(
    queries: QueryMasks,
    photo: Float[Tensor, "3 height width"],
    *,
    threshold: float = 0.0,
    refine: bool,
) -> Int16[np.ndarray, "height width"]:
    """Assigns a cluster to each pixel by the semantic queries; -1 for none.

    The value of a cluster at a pixel is the sum of objectness times mask over its queries; the cluster with the highest
    value gets the pixel (of equal ones the first).

    Args:
        queries: masks of the queries in the photo.
        photo: the photo in [0, 1], on the device of the masks.
        threshold: least value; pixels below it have no cluster. With 0 every pixel has one.
        refine: whether regions follow the edges of the photo.

    Example:
        >>> logits = torch.tensor([[[9.0, 9.0, -9.0]], [[-9.0, 9.0, -9.0]], [[-9.0, 0.0, 9.0]]])
        >>> queries = QueryMasks(logits, torch.tensor([0.9, 0.3, 0.4]), torch.tensor([1, 5, 5]), num_instance=0)
        >>> semantic_map(queries, torch.zeros(3, 1, 3), refine=False).tolist()
        [[1, 1, 5]]
    """
    own = queries.of_kind("semantic")
    clusters = queries.clusters[own].unique()
    weights = (clusters.unsqueeze(1) == queries.clusters[own]) * queries.objectness[own]
    sums = torch.einsum("cq,qhw->chw", weights, queries.logits[own].sigmoid())
    best = photo.new_full(photo.shape[1:], -1)
    labels = torch.full(photo.shape[1:], -1, dtype=torch.int16, device=photo.device)
    start = 0
    for part in enlarged_masks(sums, photo, refine=refine):
        most, index = part.clamp_(min=0).max(0)  # the filter goes a little below zero
        better = most > best
        best = torch.where(better, most, best)
        labels = torch.where(better, clusters[start + index].to(torch.int16), labels)
        start += len(part)
    return labels.masked_fill(best < threshold, -1).cpu().numpy()


@dataclass(frozen=True)
class Prediction:
    """The prediction of a trained model for a photo.

    Attributes:
        height: height of the photo in pixels.
        width: width of the photo in pixels.
        segments: instance segments, then semantic ones, each kind best score first.
        semantic: cluster of each pixel, -1 for none.
        panoptic: segments of things and stuff that do not overlap.
    """

    height: int
    width: int
    segments: tuple[Segment, ...]
    semantic: Int16[np.ndarray, "height width"]
    panoptic: Panoptic

    def of_kind(self, kind: str) -> list[Segment]:
        """Returns the segments of one kind, best score first."""
        return [segment for segment in self.segments if segment.kind == kind]
