"""Writes the HTML page of a run: one file in which one looks at the segments of many photos, without a server."""

import base64
import hashlib
import html
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from pycocotools import mask as coco_mask

from graphpool.checks import check_count
from segmentation.base.replace_file import replacing
from segmentation.config.masks import KINDS
from segmentation.export.coco_files import Json
from segmentation.export.overlay import fitted_size, resize_masks
from segmentation.export.segment_colours import tree_colours
from segmentation.segments.segment import decode_mask, level_names

# in the order of their use; they share one scope
_SCRIPTS = ("dom", "outline", "photos", "picture", "panel", "list", "gallery", "address", "main", "controls", "start")
_THUMBNAIL = 320  # pixels
ReadPhoto = Callable[[Json], np.ndarray | None]


def write_page(path: Path, dataset: Json, read_photo: ReadPhoto, *, max_photos: int = 200, max_side: int = 800) -> None:
    """Writes one self-contained HTML file that shows the segments over their photos.

    Photos are embedded as JPEG, masks as run lengths; the page loads nothing else and its content security policy
    forbids that. The file appears complete or not at all.

    Args:
        path: the file.
        dataset: the content of instances.json. Without thresholds or ratios there are no levels, and the page has no
            slider for them; where there are several categories, it names those of the segments.
        read_photo: reads the photo of an entry of ``images``, ``[height, width, 3]``, uint8, sRGB; returns None if it
            cannot be read (any more): the page then shows a grey picture and says so.
        max_photos: largest number of photos in the page, the first ones; the page says how many are left out.
        max_side: length in pixels of the longer side of a photo in the page.

    Raises:
        TypeError, ValueError: an argument or an entry of ``dataset`` that is not as described, a mask or photo that
            does not have its image's size, a parent of another photo or kind, or parents in a circle.
        OSError: the file cannot be written.
    """
    check_count("max_photos", max_photos, 1)
    check_count("max_side", max_side, 1)
    _check(dataset)
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_page(dataset, read_photo, max_photos, max_side))


def _page(dataset: Json, read_photo: ReadPhoto, max_photos: int, max_side: int) -> Iterator[str]:
    """Yields the page piece by piece, since all photos together may be large."""
    viewer = files("segmentation.export") / "viewer"
    scripts = "".join(f"\n// {name}.js\n{(viewer / f'{name}.js').read_text('utf-8')}" for name in _SCRIPTS)
    script = f'(() => {{\n"use strict";\n{scripts}\n}})();'
    style = (viewer / "viewer.css").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    template = (viewer / "viewer.html").read_text("utf-8")
    head, foot = template.replace("{{policy}}", html.escape(policy)).split("{{photos}}")
    yield head.replace("{{style}}", style)

    of_image = defaultdict(list)
    for annotation in dataset["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    categories = dataset.get("categories", [])
    names = {category["id"]: str(category["name"]) for category in categories} if len(categories) > 1 else {}
    listed = []
    for place, image in enumerate(dataset["images"][:max_photos]):
        photo = read_photo(image)
        annotations = of_image[image["id"]]
        yield _block(f"photo-{place}", _photo_record(image, annotations, photo, max_side, names))
        kinds = [annotation["kind"] for annotation in annotations]
        thumbnail = None if photo is None else jpeg_uri(photo, _THUMBNAIL, quality=75)
        counts = {kind: kinds.count(kind) for kind in KINDS}
        listed.append({"id": image["id"], "name": image["file_name"], "thumbnail": thumbnail, "segments": counts})
    info = dataset["info"]
    index = {
        "description": str(info.get("description") or "Segments"),
        "levels": _level_names(info),
        "about": {name: value if isinstance(value, str) else json.dumps(value) for name, value in info.items()},
        "total": len(dataset["images"]),
        "photos": listed,
    }
    yield _block("index", index)
    yield foot.replace("{{script}}", script)


def _block(name: str, data: Json) -> str:
    """Returns data for the page's script. No ``<`` in it: a file name cannot end the block."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")


def jpeg_uri(photo: UInt8[np.ndarray, "height width 3"], side: int, quality: int) -> str:
    """Returns a photo as the data URI of a JPEG whose longer side has at most ``side`` pixels."""
    height, width = fitted_size(photo.shape[:2], min(side, max(photo.shape[:2])))
    image = Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _photo_record(
    image: Json,
    annotations: list[Json],
    photo: UInt8[np.ndarray, "height width 3"] | None,
    max_side: int,
    names: Mapping[int, str],
) -> Json:
    """Returns a photo as a JPEG data URI and its segments with colours and category names, all at the shown size."""
    size = image["height"], image["width"]
    if photo is not None and photo.shape != (*size, 3):
        raise ValueError(f"photo {image['file_name']!r} must have shape {[*size, 3]}, got {list(photo.shape)}")
    shown = fitted_size(size, min(max_side, max(size)))
    return {
        "id": image["id"],
        "name": image["file_name"],
        "width": image["width"],
        "height": image["height"],
        "shown": [shown[1], shown[0]],
        "photo": None if photo is None else jpeg_uri(photo, max_side, quality=85),
        "segments": [
            segment
            for kind in KINDS
            for segment in _segments([own for own in annotations if own["kind"] == kind], size, shown, names)
        ],
    }


def _segments(
    annotations: list[Json], size: tuple[int, int], shown: tuple[int, int], names: Mapping[int, str]
) -> list[Json]:
    """Returns the segments of one kind, at the shown size."""
    place = {annotation["id"]: at for at, annotation in enumerate(annotations)}
    # down the columns, as pycocotools has them
    masks = np.zeros((len(annotations), shown[1], shown[0]), dtype=bool).transpose(0, 2, 1)
    for annotation, mask in zip(annotations, masks, strict=True):
        own = annotation["segmentation"]["size"]
        if tuple(own) != size:
            raise ValueError(f"annotation {annotation['id']} must have the size {list(size)} of its image, got {own}")
        if annotation["parent_id"] is not None and annotation["parent_id"] not in place:
            raise ValueError(
                f"'parent_id' of annotation {annotation['id']} must be a segment of the same photo and kind, "
                f"got {annotation['parent_id']}"
            )
        mask[:] = _shown_mask(decode_mask(annotation["segmentation"]), shown)
    parents = [place.get(annotation["parent_id"]) for annotation in annotations]
    levels = [annotation["levels"] or [0] for annotation in annotations]  # where there are no levels, all are at one
    colours = tree_colours(masks, parents, levels)
    return [
        {
            "id": annotation["id"],
            "kind": annotation["kind"],
            "parent": annotation["parent_id"],
            "name": names.get(annotation["category_id"]) if names else None,
            "levels": levels_of_segment,
            "area": annotation["area"],
            "score": annotation["score"],
            "colour": "#" + bytes(colour).hex(),
            "counts": coco_mask.encode(mask.view(np.uint8))["counts"].decode("ascii"),
        }
        for annotation, mask, colour, levels_of_segment in zip(annotations, masks, colours, levels, strict=True)
    ]


def _shown_mask(mask: np.ndarray, shown: tuple[int, int]) -> np.ndarray:
    """Returns the mask at the shown size; where all of a small one falls between the pixels, the nearest pixel."""
    if mask.shape == shown:
        return mask
    resized = resize_masks(mask[None], *shown)[0]
    if mask.any() and not resized.any():
        row, column = np.argwhere(mask)[0]
        resized[row * shown[0] // mask.shape[0], column * shown[1] // mask.shape[1]] = True
    return resized


def _level_names(info: Mapping[str, Any]) -> list[str]:
    """Names the levels: by their thresholds, or by the shares of the tokens that they leave."""
    for name in ("thresholds", "ratios"):
        levels = info.get(name)
        if isinstance(levels, list):
            return level_names(levels, by_share=name == "ratios")
    raise ValueError(f"'dataset' must have a list of thresholds or ratios in its info, got {sorted(info)}")


def _check(dataset: Any) -> None:
    """Raises unless the dataset has what the page reads, see ``instances.json`` of ``segmentation.pseudo_masks``."""
    if not isinstance(dataset, dict):
        raise TypeError(f"'dataset' must be the dict of instances.json, got {type(dataset).__name__}")
    for key, expected in (("info", dict), ("images", list), ("annotations", list)):
        value = dataset.get(key)
        if not isinstance(value, expected):
            raise ValueError(f"'dataset' must have a {expected.__name__} {key!r}, got {type(value).__name__}")
    num_levels = len(_level_names(dataset["info"]))
    annotation_keys = ("id", "image_id", "kind", "levels", "parent_id", "area", "score", "segmentation")
    for thing, entries, keys in (
        ("image", dataset["images"], ("id", "file_name", "width", "height")),
        ("category", dataset.get("categories", []), ("id", "name")),
        ("annotation", dataset["annotations"], annotation_keys),
    ):
        for place, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise ValueError(f"{thing} {place} of 'dataset' must be a dict, got {type(entry).__name__}")
            missing = [key for key in keys if key not in entry]
            if missing:
                raise ValueError(f"{thing} {place} of 'dataset' must have {', '.join(missing)}, got {sorted(entry)}")
    for annotation in dataset["annotations"]:
        name, segmentation, levels = f"annotation {annotation['id']}", annotation["segmentation"], annotation["levels"]
        if annotation["kind"] not in KINDS:
            raise ValueError(f"{name} must have a kind of {KINDS}, got {annotation['kind']!r}")
        if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
            raise ValueError(f"'segmentation' of {name} must have size and counts, got {segmentation!r:.80}")
        known = all(isinstance(level, int) and 0 <= level < num_levels for level in levels)
        if bool(levels) != bool(num_levels) or not known:
            wanted = f"levels from 0 to {num_levels - 1}" if num_levels else "no levels"
            raise ValueError(f"{name} must have {wanted}, got {levels}")
