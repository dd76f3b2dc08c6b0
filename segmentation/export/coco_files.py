"""Writes COCO's files of a run, instances.json and panoptic.json, and the panoptic maps."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image

from segmentation.base.replace_file import replacing
from segmentation.prediction.clusters import NamedClusters
from segmentation.prediction.panoptic import Panoptic, Prediction
from segmentation.segments.segment import PhotoMasks

Json = dict[str, Any]  # an object of a JSON file
CATEGORIES = [{"id": 1, "name": "segment", "supercategory": "segment"}]
Records = Callable[[], Iterable[Json]]  # each call goes through the photos from the start


def coco_annotations(found: PhotoMasks | Prediction) -> list[Json]:
    """Returns the segments of one photo as annotations, with ids from 1 and without ``image_id``.

    The category of a pseudo-mask is 1, that of a predicted segment its cluster plus 1.
    """
    return [
        {
            "id": number,
            "category_id": 1 if segment.cluster is None else segment.cluster + 1,
            "segmentation": {"size": list(segment.rle["size"]), "counts": segment.rle["counts"].decode("ascii")},
            "bbox": list(segment.box),
            "area": segment.area,
            "iscrowd": 0,
            "score": round(segment.score, 6),
            "kind": segment.kind,
            "levels": list(segment.levels),
            "parent_id": None if segment.parent is None else segment.parent + 1,
        }
        for number, segment in enumerate(found.segments, start=1)
    ]


def cluster_categories(clusters: NamedClusters) -> list[Json]:
    """Returns the clusters of a model as categories; clusters of one name are one category."""
    return [
        {"id": cluster + 1, "name": clusters.names[cluster], "supercategory": "cluster", "cluster": cluster}
        for cluster in sorted(set(clusters.same))
    ]


def write_coco(path: Path, info: Json, records: Records, categories: Sequence[Json] = CATEGORIES) -> None:
    """Writes instances.json photo by photo, so that memory does not grow with their number.

    Args:
        path: the file.
        info: the settings of the run, for the file's ``info``.
        records: opens the photos' records ``{"file_name", "width", "height", "annotations"}``, whose annotations are
            those of :func:`coco_annotations`.
        categories: the categories of the annotations.
    """
    _write_dataset(path, info, records, categories, numbered_annotations(records()))


def write_panoptic(path: Path, info: Json, records: Records, clusters: NamedClusters) -> None:
    """Writes panoptic.json photo by photo.

    Args:
        path: the file.
        info: the settings of the run, for the file's ``info``.
        records: opens the photos' records ``{"file_name", "width", "height", "panoptic"}``; ``panoptic`` is
            ``{"file_name", "segments_info"}``, the name of the map and its :func:`segments_info`.
        clusters: the clusters of the model.
    """
    annotations = ({"image_id": number, **record["panoptic"]} for number, record in enumerate(records(), start=1))
    _write_dataset(path, info, records, _panoptic_categories(clusters), annotations)


def numbered_images(records: Iterable[Json]) -> Iterator[Json]:
    """Yields the entries of ``images``, with ids from 1."""
    for number, record in enumerate(records, start=1):
        yield {"id": number, **{key: record[key] for key in ("file_name", "width", "height")}}


def numbered_annotations(records: Iterable[Json]) -> Iterator[Json]:
    """Yields the entries of ``annotations``, with ids from 1 over all photos and the ids of their images."""
    before = 0
    for number, record in enumerate(records, start=1):
        for annotation in record["annotations"]:
            parent = annotation["parent_id"]
            yield {
                **annotation,
                "id": annotation["id"] + before,
                "image_id": number,
                "parent_id": None if parent is None else parent + before,
            }
        before += len(record["annotations"])


def segments_info(panoptic: Panoptic, num_clusters: int) -> list[Json]:
    """Returns the segments of a panoptic map of a model with ``num_clusters`` clusters, as COCO lists them."""
    return [
        {
            "id": segment.id,
            "category_id": _panoptic_category_id(segment.cluster, segment.is_thing, num_clusters),
            "bbox": list(segment.box),
            "area": segment.area,
            "iscrowd": 0,
            "score": round(segment.score, 6),
        }
        for segment in panoptic.segments
    ]


def write_panoptic_map(path: Path, panoptic: Panoptic) -> None:
    """Writes a panoptic map as a PNG whose colours are segment ids."""
    with replacing(path) as unfinished:
        Image.fromarray(id_colours(panoptic.ids)).save(unfinished, format="PNG")


def id_colours(ids: Int32[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Encodes segment ids as colours: an id is R + 256 G + 65536 B, and 0 means no segment.

    Example:
        >>> id_colours(np.array([[3, 258]], dtype=np.int32)).tolist()
        [[[3, 0, 0], [2, 1, 0]]]
    """
    return np.stack([ids >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


def _panoptic_categories(clusters: NamedClusters) -> list[Json]:
    """Returns each cluster as a category of things and one of stuff, or as only one of them if its kind is known.

    Instance and semantic queries can predict the same cluster, but a category of COCO is either things or stuff.
    """
    return [
        {
            "id": _panoptic_category_id(cluster, is_thing, clusters.number),
            "name": clusters.names[cluster],
            "supercategory": "thing" if is_thing else "stuff",
            "isthing": int(is_thing),
            "cluster": cluster,
        }
        for is_thing in (True, False)
        for cluster in sorted(set(clusters.same))
        if clusters.is_thing.get(cluster, is_thing) == is_thing
    ]


def _panoptic_category_id(cluster: int, is_thing: bool, num_clusters: int) -> int:
    """Numbers things as instances.json does, from 1, and stuff after all things."""
    return cluster + 1 if is_thing else num_clusters + cluster + 1


def _write_dataset(
    path: Path, info: Json, records: Records, categories: Sequence[Json], annotations: Iterable[Json]
) -> None:
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"info": ' + json.dumps(info) + ',\n"images": [')
        file.writelines(_json_lines(numbered_images(records())))
        file.write('],\n"categories": ' + json.dumps(categories) + ',\n"annotations": [')
        file.writelines(_json_lines(annotations))
        file.write("]}\n")


def _json_lines(entries: Iterable[Json]) -> Iterator[str]:
    for index, entry in enumerate(entries):
        yield ("\n" if index == 0 else ",\n") + json.dumps(entry)
