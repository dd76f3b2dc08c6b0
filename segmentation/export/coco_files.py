"""Masks in COCO's format."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from segmentation.base.replace_file import replacing
from segmentation.prediction.clusters import NamedClusters
from segmentation.prediction.panoptic import Prediction
from segmentation.segments.segment import PhotoMasks

CATEGORIES = [{"id": 1, "name": "segment", "supercategory": "segment"}]
Records = Callable[[], Iterable[dict[str, Any]]]


def coco_annotations(found: PhotoMasks | Prediction) -> list[dict[str, Any]]:
    """The segments of one photo as annotations, with ids from 1 and without ``image_id``.

    The category of a pseudo-mask is 1, that of a predicted segment its cluster plus 1.
    """
    return [
        {
            "id": place,
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
        for place, segment in enumerate(found.segments, start=1)
    ]


def cluster_categories(clusters: NamedClusters) -> list[dict[str, Any]]:
    """The clusters of a model as categories; those of one name are one."""
    return [
        {"id": cluster + 1, "name": clusters.names[cluster], "supercategory": "cluster", "cluster": cluster}
        for cluster in sorted(set(clusters.same))
    ]


def write_coco(
    path: Path, info: dict[str, Any], records: Records, categories: Sequence[dict[str, Any]] = CATEGORIES
) -> None:
    """Writes one COCO file of a run, a photo at a time, however many there are.

    Args:
        path: the file.
        info: what was run, for its ``info``.
        records: gives the photos each time it is called: ``{"file_name", "width", "height", "annotations"}``, with the
            annotations of :func:`coco_annotations`.
        categories: those of the annotations.
    """
    write_dataset(path, info, numbered_images(records()), categories, numbered_annotations(records()))


def write_dataset(
    path: Path,
    info: dict[str, Any],
    images: Iterable[dict[str, Any]],
    categories: Sequence[dict[str, Any]],
    annotations: Iterable[dict[str, Any]],
) -> None:
    """Writes the parts of a COCO file, an entry at a time."""
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"info": ' + json.dumps(info) + ',\n"images": [')
        file.writelines(_rows(images))
        file.write('],\n"categories": ' + json.dumps(categories) + ',\n"annotations": [')
        file.writelines(_rows(annotations))
        file.write("]}\n")


def _rows(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    for index, entry in enumerate(entries):
        yield ("\n" if index == 0 else ",\n") + json.dumps(entry)


def numbered_images(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The entries of ``images``, with ids from 1."""
    for number, record in enumerate(records, start=1):
        yield {"id": number, **{key: record[key] for key in ("file_name", "width", "height")}}


def numbered_annotations(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The entries of ``annotations``, with ids from 1 and those of their images."""
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
