"""Writes panoptic maps in COCO format and semantic maps as pictures."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int16, Int32, UInt8
from PIL import Image

from segmentation.base.replace_file import replacing
from segmentation.export.coco_files import Records, numbered_images, write_dataset
from segmentation.prediction.clusters import NamedClusters
from segmentation.prediction.panoptic import Panoptic

NONE = 65535


def write_semantic_map(path: Path, clusters: Int16[np.ndarray, "height width"]) -> None:
    """Writes a grey PNG of 16 bits: the cluster of each pixel, 65535 where there is none.

    Args:
        path: the file.
        clusters: of each pixel, -1 for none.
    """
    with replacing(path) as unfinished:
        Image.fromarray(clusters.astype(np.uint16)).save(unfinished, format="PNG")  # -1 becomes 65535


def write_panoptic_map(path: Path, panoptic: Panoptic) -> None:
    """Writes a PNG in which the id of a pixel's segment is R + 256 G + 65536 B, 0 where there is none."""
    with replacing(path) as unfinished:
        Image.fromarray(id_colours(panoptic.ids)).save(unfinished, format="PNG")


def id_colours(ids: Int32[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Ids as colours.

    Example:
        >>> id_colours(np.array([[3, 258]], dtype=np.int32)).tolist()
        [[[3, 0, 0], [2, 1, 0]]]
    """
    return np.stack([ids >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


def segments_info(panoptic: Panoptic, number: int) -> list[dict[str, Any]]:
    """The segments of one map.

    Args:
        panoptic: the map.
        number: of clusters of the model.
    """
    return [
        {
            "id": segment.id,
            "category_id": _category(segment.cluster, segment.is_thing, number),
            "bbox": list(segment.box),
            "area": segment.area,
            "iscrowd": 0,
            "score": round(segment.score, 6),
        }
        for segment in panoptic.segments
    ]


def panoptic_categories(clusters: NamedClusters) -> list[dict[str, Any]]:
    """Each cluster as a category of things and one of stuff, unless somebody said which of both it is.

    One cluster can be found by instance queries and by semantic ones, but a category of COCO is either. The id of a
    cluster of things is its number plus 1, as in instances.json; that of one of stuff is as much more as there are
    clusters.
    """
    categories = []
    for is_thing in (True, False):
        for cluster in sorted(set(clusters.same)):
            if clusters.is_thing.get(cluster, is_thing) == is_thing:
                categories.append(
                    {
                        "id": _category(cluster, is_thing, clusters.number),
                        "name": clusters.names[cluster],
                        "supercategory": "thing" if is_thing else "stuff",
                        "isthing": int(is_thing),
                        "cluster": cluster,
                    }
                )
    return categories


def write_panoptic(path: Path, info: dict[str, Any], records: Records, clusters: NamedClusters) -> None:
    """Writes COCO's panoptic file of a run, a photo at a time.

    Args:
        path: the file.
        info: what was run.
        records: gives the photos each time it is called: ``{"file_name", "width", "height", "panoptic"}``, the last of
            them ``{"file_name", "segments_info"}``, the name of its map and :func:`segments_info`.
        clusters: of the model.
    """
    write_dataset(path, info, numbered_images(records()), panoptic_categories(clusters), _annotations(records()))


def _annotations(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(records, start=1):
        yield {"image_id": number, **record["panoptic"]}


def _category(cluster: int, is_thing: bool, number: int) -> int:
    return cluster + 1 if is_thing else number + cluster + 1
