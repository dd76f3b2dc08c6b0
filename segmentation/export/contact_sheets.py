"""Writes contact sheets of the best segments of each cluster, and the file in which people name clusters."""

import heapq
import html
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted
from segmentation.export.coco_files import Json, Records
from segmentation.export.picture_sheets import INK, PAPER
from segmentation.prediction.clusters import ClusterMapping, MappedCluster, NamedClusters, read_mapping
from segmentation.segments.segment import decode_mask

_SHOWN = 24  # segments on a sheet
_COLUMNS, _SIDE, _GAP, _LETTERS, _HEAD = 6, 144, 8, 11, 16  # of a sheet, in pixels
_MARGIN = 0.2  # around a segment, as a share of its longer side
_DIM = 0.3  # brightness of the photo outside a segment
_BLANK, _QUIET = (232, 232, 230), (110, 112, 118)
_AT_ONCE = 64  # sheets in memory at the same time
ReadPhoto = Callable[[str], NDArray[np.uint8] | None]


def write_cluster_names(path: Path, found: Iterable[int], names: ClusterMapping) -> None:
    """Writes the mapping file that people edit: named clusters, and those that were found under their number.

    What the file says already stays, unless ``names`` says otherwise.

    Raises:
        ValueError: there is a file that is no mapping.
    """
    before = read_mapping(path).clusters if path.exists() else {}
    unnamed = {cluster: MappedCluster(None, str(cluster)) for cluster in found}
    ClusterMapping({**unnamed, **before, **names.clusters}, names.rule, names.fitted_on).save(path)


class _RankedSegment(NamedTuple):
    """A segment with its photo; the better of two compares greater, and of equal ones the earlier."""

    score: float
    order: int
    photo: str
    annotation: Json


def write_contact_sheets(folder: Path, records: Records, read_photo: ReadPhoto, clusters: NamedClusters) -> None:
    """Writes ``17.png`` for cluster 17 and so on, and ``index.html`` that shows them all.

    A sheet shows the 24 best segments of its cluster, each cut out around its mask, with what is outside of it dimmed.
    Sheets of clusters that have no segments any more are removed.

    Args:
        folder: made where missing.
        records: opens the photos' records ``{"file_name", "annotations"}``, whose annotations are those of
            :func:`~segmentation.export.coco_files.coco_annotations`.
        read_photo: reads a photo by its name, ``[H, W, 3]``; returns None if it cannot be read (any more).
        clusters: the clusters of the model.
    """
    best, counts = _best_segments(records)
    ranked = sorted(best)
    sizes: dict[int, tuple[int, int]] = {}
    for start in range(0, len(ranked), _AT_ONCE):
        tiles = _tiles({cluster: best[cluster] for cluster in ranked[start : start + _AT_ONCE]}, read_photo)
        for cluster, own in tiles.items():
            title = f"cluster {_title(cluster, clusters)}, {counted(counts[cluster], 'segment')}"
            sheet = _sheet(title, own, [f"{each.annotation['kind']} {each.score:.2f}" for each in best[cluster]])
            with replacing(folder / f"{cluster}.png") as unfinished:
                sheet.save(unfinished, format="PNG")
            sizes[cluster] = sheet.size
    largest_first = sorted(best, key=lambda cluster: (-counts[cluster], cluster))
    _write_page(folder, [_figure(each, _title(each, clusters), counts[each], sizes[each]) for each in largest_first])
    for path in folder.glob("*.png"):
        if path.stem.isdecimal() and int(path.stem) not in best:
            path.unlink()


def _title(cluster: int, clusters: NamedClusters) -> str:
    name = clusters.names[cluster]
    return name if name == str(cluster) else f"{cluster}: {name}"


def _write_page(folder: Path, figures: Sequence[str]) -> None:
    lead = (
        f"{counted(len(figures), 'cluster')} with segments. Give them names and kinds (thing or stuff) in "
        "<code>clusters.json</code> and hand it to <code>--names</code>; clusters of one name become one."
    )
    template = (files("segmentation.export") / "contact_sheets.html").read_text("utf-8")
    head, foot = template.replace("{{lead}}", lead).split("{{figures}}")
    with replacing(folder / "index.html") as unfinished:
        unfinished.write_text(head + "\n".join(figures) + foot, encoding="utf-8", newline="\n")


def _figure(cluster: int, title: str, segments: int, size: tuple[int, int]) -> str:
    title = html.escape(title)
    return (
        f"<figure><figcaption><b>{title}</b><span>{counted(segments, 'segment')}</span></figcaption>"
        f'<a href="{cluster}.png"><img src="{cluster}.png" width="{size[0]}" height="{size[1]}" '
        f'alt="The best segments of cluster {title}" loading="lazy"></a></figure>'
    )


def _best_segments(records: Records) -> tuple[dict[int, list[_RankedSegment]], Counter[int]]:
    """Returns the best segments of each cluster, best first, and the number of all its segments."""
    heaps: dict[int, list[_RankedSegment]] = {}
    counts: Counter[int] = Counter()
    order = itertools.count(step=-1)
    for record in records():
        for annotation in record["annotations"]:
            cluster = annotation["category_id"] - 1
            counts[cluster] += 1
            heap = heaps.setdefault(cluster, [])
            heapq.heappush(heap, _RankedSegment(annotation["score"], next(order), record["file_name"], annotation))
            if len(heap) > _SHOWN:
                heapq.heappop(heap)
    return {cluster: sorted(heap, reverse=True) for cluster, heap in heaps.items()}, counts


def _tiles(best: dict[int, list[_RankedSegment]], read_photo: ReadPhoto) -> dict[int, list[Image.Image]]:
    """Cuts the segments out of their photos, each of which is read once."""
    wanted: dict[str, list[tuple[int, int]]] = {}
    for cluster, found in best.items():
        for place, each in enumerate(found):
            wanted.setdefault(each.photo, []).append((cluster, place))
    missing = Image.new("RGB", (_SIDE, _SIDE), _BLANK)
    tiles = {cluster: [missing] * len(found) for cluster, found in best.items()}
    for name, places in wanted.items():
        photo = read_photo(name)
        for cluster, place in places:
            annotation = best[cluster][place].annotation
            if photo is not None and list(photo.shape[:2]) == annotation["segmentation"]["size"]:
                tiles[cluster][place] = _tile(photo, decode_mask(annotation["segmentation"]), annotation["bbox"])
    return tiles


def _tile(
    photo: UInt8[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"], box: Sequence[int]
) -> Image.Image:
    """Returns a square picture of the photo around a mask, dimmed outside the mask."""
    window = _window(box[1], box[3], box[2], len(mask)), _window(box[0], box[2], box[3], mask.shape[1])
    crop, inside = photo[window], mask[window]
    scale = _SIDE / max(inside.shape)
    size = max(1, round(inside.shape[1] * scale)), max(1, round(inside.shape[0] * scale))
    clear = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
    soft = np.asarray(Image.fromarray(inside.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
    brightness = _DIM + (1 - _DIM) * soft[..., None] / np.float32(255)
    tile = Image.new("RGB", (_SIDE, _SIDE), _BLANK)
    dimmed = Image.fromarray(np.rint(clear * brightness).astype(np.uint8))
    tile.paste(dimmed, tuple((_SIDE - side) // 2 for side in size))
    return tile


def _window(start: int, length: int, other: int, side: int) -> slice:
    """Returns a segment's extent along a side of the photo, with margins, as long as ``other`` if possible."""
    wanted = min(side, max(1, round((1 + 2 * _MARGIN) * max(length, other))))
    first = min(max(0, start + (length - wanted) // 2), side - wanted)
    return slice(first, first + wanted)


def _sheet(title: str, tiles: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    columns, rows = min(_COLUMNS, len(tiles)), -(-len(tiles) // _COLUMNS)
    cell_width, cell_height = _SIDE + _GAP, _SIDE + _LETTERS + 2 * _GAP
    head = _HEAD + 2 * _GAP
    small, large = ImageFont.load_default(_LETTERS), ImageFont.load_default(_HEAD)
    width = max(columns * cell_width + _GAP, int(large.getlength(title)) + 2 * _GAP)
    sheet = Image.new("RGB", (width, rows * cell_height + head), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP / 2), title, fill=INK, font=large)
    for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        left, top = _GAP + place % _COLUMNS * cell_width, head + place // _COLUMNS * cell_height
        sheet.paste(tile, (left, top))
        draw.text((left, top + _SIDE + _GAP / 4), caption, fill=_QUIET, font=small)
    return sheet
