"""One HTML file to look at the segments of many photos, without a server and without a network."""

import base64
import hashlib
import html
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from graphpool.checks import check_count
from segmentation.base.replace_file import replacing
from segmentation.config.masks import KINDS
from segmentation.export.photo_record import jpeg, photo_record

SCRIPTS = (
    "dom.js",
    "rle.js",
    "outline.js",
    "photos.js",
    "picture.js",
    "panel.js",
    "list.js",
    "gallery.js",
    "address.js",
    "main.js",
    "controls.js",
    "start.js",
)  # in the order of their use, they share one scope
_THUMBNAIL = 320  # pixels


def write_page(
    path: str | os.PathLike[str],
    dataset: dict[str, Any],
    read_photo: Callable[[dict[str, Any]], np.ndarray | None],
    *,
    max_photos: int = 200,
    max_side: int = 800,
) -> None:
    """Writes one self-contained HTML file that shows the segments over their photos.

    The photos are in it as JPEG, the masks as run lengths; it loads nothing else and its content security policy
    forbids that. The file appears complete or not at all.

    Args:
        path: the file to write; its folder exists.
        dataset: the content of instances.json. Without thresholds there are no levels, and the page has no slider for
            them; where there are several categories, it names those of the segments.
        read_photo: gives the photo of an entry of ``images``, ``[height, width, 3]``, uint8, sRGB; None if it cannot
            be read (any more): the page then shows a grey picture and says so.
        max_photos: only the first ones are in the page, and the page says so.
        max_side: length in pixels of the longer side of a photo in the page.

    Raises:
        TypeError, ValueError: an argument or an entry of ``dataset`` that is not as described.
        OSError: the file cannot be written.
    """
    check_count("max_photos", max_photos, 1)
    check_count("max_side", max_side, 1)
    _check(dataset)
    with replacing(Path(path)) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_parts(dataset, read_photo, max_photos, max_side))


def _parts(
    dataset: dict[str, Any], read_photo: Callable[[dict[str, Any]], np.ndarray | None], max_photos: int, max_side: int
) -> Iterator[str]:
    """The page piece by piece, since all photos together may be large."""
    viewer = files("segmentation.export") / "viewer"
    scripts = "".join(f"\n// {name}\n{(viewer / name).read_text('utf-8')}" for name in SCRIPTS)
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
        yield _block(f"photo-{place}", photo_record(image, annotations, photo, max_side, names))
        kinds = [annotation["kind"] for annotation in annotations]
        listed.append(
            {
                "id": image["id"],
                "name": image["file_name"],
                "thumbnail": None if photo is None else _thumbnail(photo),
                "segments": {kind: kinds.count(kind) for kind in KINDS},
            }
        )
    info = dataset["info"]
    index = {
        "description": str(info.get("description") or "Segments"),
        "thresholds": info["thresholds"],
        "about": {name: value if isinstance(value, str) else json.dumps(value) for name, value in info.items()},
        "total": len(dataset["images"]),
        "photos": listed,
    }
    yield _block("index", index)
    yield foot.replace("{{script}}", script)


def _block(name: str, data: dict[str, Any]) -> str:
    """Data that the page's script reads. No ``<`` in it: a file name cannot end the block."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")


def _thumbnail(photo: np.ndarray) -> str:
    height, width = photo.shape[:2]
    scale = min(1.0, _THUMBNAIL / max(height, width))
    return jpeg(photo, (max(1, round(height * scale)), max(1, round(width * scale))), quality=75)


def _check(dataset: Any) -> None:
    """The dataset has what the page reads, see ``instances.json`` of ``segmentation.pseudo_masks``."""
    if not isinstance(dataset, dict):
        raise TypeError(f"'dataset' must be the dict of instances.json, got {type(dataset).__name__}")
    for key, expected in (("info", dict), ("images", list), ("annotations", list)):
        if not isinstance(dataset.get(key), expected):
            raise ValueError(
                f"'dataset' must have a {expected.__name__} {key!r}, got {type(dataset.get(key)).__name__}"
            )
    thresholds = dataset["info"].get("thresholds")
    if not isinstance(thresholds, list):
        raise ValueError(f"'dataset' must have a list of thresholds in its info, got {type(thresholds).__name__}")
    _check_keys("image", dataset["images"], ("id", "file_name", "width", "height"))
    _check_keys("category", dataset.get("categories", []), ("id", "name"))
    keys = ("id", "image_id", "kind", "levels", "parent_id", "area", "score", "segmentation")
    _check_keys("annotation", dataset["annotations"], keys)
    for annotation in dataset["annotations"]:
        if annotation["kind"] not in KINDS:
            raise ValueError(f"annotation {annotation['id']} must have a kind of {KINDS}, got {annotation['kind']!r}")
        segmentation = annotation["segmentation"]
        if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
            raise ValueError(
                f"'segmentation' of annotation {annotation['id']} must have size and counts, got {segmentation!r:.80}"
            )
        levels = annotation["levels"]
        there = all(isinstance(level, int) and 0 <= level < len(thresholds) for level in levels)
        if bool(levels) != bool(thresholds) or not there:
            wanted = f"levels from 0 to {len(thresholds) - 1}" if thresholds else "no levels"
            raise ValueError(f"annotation {annotation['id']} must have {wanted}, got {levels}")


def _check_keys(thing: str, entries: list[Any], keys: tuple[str, ...]) -> None:
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"{thing} {place} of 'dataset' must be a dict, got {type(entry).__name__}")
        missing = [key for key in keys if key not in entry]
        if missing:
            raise ValueError(f"{thing} {place} of 'dataset' must have {', '.join(missing)}, got {sorted(entry)}")
