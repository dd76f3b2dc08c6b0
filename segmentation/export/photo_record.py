"""One photo of the page: what its script needs to draw the photo and its segments."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from pycocotools import mask as rle

from segmentation.config.masks import KINDS
from segmentation.export.colours import tree_colours
from segmentation.export.overlay import shrink
from segmentation.segments.segment import decode_mask


def photo_record(
    image: dict[str, Any],
    annotations: list[dict[str, Any]],
    photo: UInt8[np.ndarray, "height width 3"] | None,
    max_side: int,
    names: Mapping[int, str],
) -> dict[str, Any]:
    """The photo as a JPEG data URI and its segments with colours, all at the shown size.

    Args:
        image: its entry in ``images`` of instances.json.
        annotations: its segments.
        photo: sRGB at full size; None if it cannot be read.
        max_side: length in pixels of the longer side of the shown photo; smaller photos stay as they are.
        names: of the categories, by id; those that are not in it are not named.

    Raises:
        ValueError: a mask or photo that does not have the image's size, a parent that is not among the
            segments of the same kind, or parents in a circle.
    """
    size = image["height"], image["width"]
    if photo is not None and photo.shape != (*size, 3):
        raise ValueError(f"photo {image['file_name']!r} must have shape {[*size, 3]}, got {list(photo.shape)}")
    scale = min(1.0, max_side / max(size))
    height, width = (max(1, round(length * scale)) for length in size)
    segments: list[dict[str, Any]] = []
    for kind in KINDS:
        of_kind = [annotation for annotation in annotations if annotation["kind"] == kind]
        segments += _segments(of_kind, size, (height, width), names)
    return {
        "id": image["id"],
        "name": image["file_name"],
        "width": image["width"],
        "height": image["height"],
        "shown": [width, height],
        "photo": None if photo is None else jpeg(photo, (height, width), quality=85),
        "segments": segments,
    }


def jpeg(photo: UInt8[np.ndarray, "height width 3"], size: tuple[int, int], quality: int) -> str:
    """The photo at another height and width, as a data URI."""
    image = Image.fromarray(photo).resize((size[1], size[0]), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _segments(
    annotations: list[dict[str, Any]], size: tuple[int, int], shown: tuple[int, int], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    place = {annotation["id"]: at for at, annotation in enumerate(annotations)}
    for annotation in annotations:
        if tuple(annotation["segmentation"]["size"]) != size:
            found = annotation["segmentation"]["size"]
            raise ValueError(f"annotation {annotation['id']} must have the size {list(size)} of its image, got {found}")
        if annotation["parent_id"] is not None and annotation["parent_id"] not in place:
            raise ValueError(
                f"'parent_id' of annotation {annotation['id']} must be a segment of the same photo and kind, "
                f"got {annotation['parent_id']}"
            )
    # down the columns, as pycocotools has them
    masks = np.zeros((len(annotations), shown[1], shown[0]), dtype=bool).transpose(0, 2, 1)
    for annotation, mask in zip(annotations, masks, strict=True):
        mask[:] = _shown_mask(annotation["segmentation"], shown)
    parents = [place.get(annotation["parent_id"]) for annotation in annotations]
    levels = [annotation["levels"] or [0] for annotation in annotations]  # where there are no levels, all are at one
    colours = tree_colours(masks, parents, levels)
    return [
        {
            "id": annotation["id"],
            "kind": annotation["kind"],
            "parent": annotation["parent_id"],
            "name": names.get(annotation["category_id"]) if names else None,
            "levels": lives,
            "area": annotation["area"],
            "score": annotation["score"],
            "colour": "#" + bytes(colour).hex(),
            "counts": rle.encode(mask.view(np.uint8))["counts"].decode("ascii"),
        }
        for annotation, mask, colour, lives in zip(annotations, masks, colours, levels, strict=True)
    ]


def _shown_mask(segmentation: dict[str, Any], shown: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The mask at the shown size; where all of a small one falls between the pixels, the nearest pixel."""
    mask = decode_mask(segmentation)
    if mask.shape == shown:
        return mask
    small = shrink(mask[None], *shown)[0]
    if mask.any() and not small.any():
        row, column = np.argwhere(mask)[0]
        small[row * shown[0] // mask.shape[0], column * shown[1] // mask.shape[1]] = True
    return small
