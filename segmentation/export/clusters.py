"""Shows the best segments of each cluster side by side, so that somebody can name it."""

import heapq
import html
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted
from segmentation.export.coco_files import Records
from segmentation.prediction.clusters import ClusterMapping, MappedCluster, NamedClusters, read_mapping
from segmentation.segments.segment import decode_mask

BEST = 24  # segments on a sheet
_COLUMNS, _SIDE, _GAP, _LETTERS, _HEAD = 6, 144, 8, 11, 16  # of a sheet, in pixels
_MARGIN = 0.2  # around a segment, as a share of its longer side
_DIM = 0.3  # of the photo that stays outside of a segment
_PAPER, _BLANK, _INK, _QUIET = (252, 252, 251), (232, 232, 230), (38, 38, 40), (110, 112, 118)
_AT_ONCE = 64  # sheets that are in memory


def write_cluster_names(path: Path, found: Iterable[int], names: ClusterMapping) -> None:
    """Writes a mapping to edit: the clusters that are named, and those that were found, by their number.

    What somebody wrote into the file before stays, where ``names`` does not say otherwise.

    Args:
        path: the file.
        found: clusters.
        names: those that are named already.

    Raises:
        ValueError: there is a file that is no mapping.
    """
    before = read_mapping(path).clusters if path.exists() else {}
    new = {cluster: MappedCluster(None, str(cluster)) for cluster in found}
    ClusterMapping({**new, **before, **names.clusters}, names.rule, names.fitted_on).save(path)


class ClusterSheet(NamedTuple):
    """The contact sheet of a cluster.

    Attributes:
        cluster: its picture is ``cluster.png``.
        name: what somebody called it, or its number.
        segments: how many it has.
        size: of the picture, (width, height).
    """

    cluster: int
    name: str
    segments: int
    size: tuple[int, int]


def write_clusters_page(path: Path, sheets: Sequence[ClusterSheet]) -> None:
    """Writes a page that shows the sheets beside it, those with most segments first."""
    lead = (
        f"{counted(len(sheets), 'cluster')} with segments. Give them names and kinds (thing or stuff) in "
        "<code>clusters.json</code> and hand it to <code>--names</code>; clusters of one name become one."
    )
    ranked = sorted(sheets, key=lambda sheet: (-sheet.segments, sheet.cluster))
    template = (files("segmentation.export") / "clusters_page.html").read_text("utf-8")
    head, foot = template.replace("{{lead}}", lead).split("{{figures}}")
    with replacing(path) as unfinished:
        text = head + "\n".join(map(_figure, ranked)) + foot
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def _figure(sheet: ClusterSheet) -> str:
    name = f"{sheet.cluster}" if sheet.name == str(sheet.cluster) else f"{sheet.cluster}: {html.escape(sheet.name)}"
    width, height = sheet.size
    return (
        f"<figure><figcaption><b>{name}</b><span>{counted(sheet.segments, 'segment')}</span></figcaption>"
        f'<a href="{sheet.cluster}.png"><img src="{sheet.cluster}.png" width="{width}" height="{height}" '
        f'alt="The best segments of cluster {name}" loading="lazy"></a></figure>'
    )


class _Found(NamedTuple):
    """A segment, in the order of goodness: later ones are less good, which keeps equal ones in order."""

    score: float
    order: int
    photo: str
    annotation: dict[str, Any]


def write_contact_sheets(
    folder: Path,
    records: Records,
    read_photo: Callable[[str], NDArray[np.uint8] | None],
    clusters: NamedClusters,
) -> None:
    """Writes ``17.png`` for cluster 17 and so on, and ``index.html`` that shows them all.

    A sheet has the best 24 segments of its cluster, each cut out around its mask, with what is outside of it dimmed.
    Sheets of clusters that have no segments any more are removed.

    Args:
        folder: made where missing.
        records: gives the photos each time it is called: ``{"file_name", "annotations"}``, with the annotations of
            :func:`~segmentation.export.coco_files.coco_annotations`.
        read_photo: a photo by its name, ``[H, W, 3]``; None if it cannot be read (any more).
        clusters: of the model.
    """
    best, counts = _best_segments(records)
    sheets = []
    rest = iter(sorted(best))
    while some := list(islice(rest, _AT_ONCE)):
        tiles = _tiles({cluster: best[cluster] for cluster in some}, read_photo)
        for cluster in some:
            title = clusters.names[cluster]
            title = f"cluster {cluster}" if title == str(cluster) else f"cluster {cluster}: {title}"
            with replacing(folder / f"{cluster}.png") as unfinished:
                captions = [f"{each.annotation['kind']} {each.score:.2f}" for each in best[cluster]]
                sheet = _sheet(f"{title}, {counted(counts[cluster], 'segment')}", tiles[cluster], captions)
                sheet.save(unfinished, format="PNG")
            sheets.append(ClusterSheet(cluster, clusters.names[cluster], counts[cluster], sheet.size))
    write_clusters_page(folder / "index.html", sheets)
    for path in folder.glob("*.png"):
        if path.stem.isdecimal() and int(path.stem) not in best:
            path.unlink()


def _best_segments(records: Records) -> tuple[dict[int, list[_Found]], Counter[int]]:
    """The best segments of each cluster, best first, and how many it has."""
    heaps: dict[int, list[_Found]] = {}
    counts: Counter[int] = Counter()
    order = 0
    for record in records():
        for annotation in record["annotations"]:
            cluster = annotation["category_id"] - 1
            counts[cluster] += 1
            order -= 1
            found = _Found(annotation["score"], order, record["file_name"], annotation)
            heap = heaps.setdefault(cluster, [])
            if len(heap) < BEST:
                heapq.heappush(heap, found)
            else:
                heapq.heappushpop(heap, found)
    return {cluster: sorted(heap, reverse=True) for cluster, heap in heaps.items()}, counts


def _tiles(
    best: dict[int, list[_Found]], read_photo: Callable[[str], NDArray[np.uint8] | None]
) -> dict[int, list[Image.Image]]:
    """The segments cut out of their photos, each of which is read once."""
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
    """The part of a photo around a mask, the rest of it dimmed, on a square."""
    rows, columns = _window(box[1], box[3], box[2], len(mask)), _window(box[0], box[2], box[3], mask.shape[1])
    part, inside = photo[rows, columns], mask[rows, columns]
    scale = _SIDE / max(part.shape[:2])
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    clear = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
    soft = np.asarray(Image.fromarray(inside.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
    share = _DIM + (1 - _DIM) * soft[..., None] / np.float32(255)
    tile = Image.new("RGB", (_SIDE, _SIDE), _BLANK)
    tile.paste(Image.fromarray(np.rint(clear * share).astype(np.uint8)), tuple((_SIDE - side) // 2 for side in size))
    return tile


def _window(start: int, length: int, other: int, side: int) -> slice:
    """A segment and its margin along one side of the photo, as long as along the other where the photo has room."""
    wanted = min(side, max(1, round((1 + 2 * _MARGIN) * max(length, other))))
    first = min(max(0, start + (length - wanted) // 2), side - wanted)
    return slice(first, first + wanted)


def _sheet(title: str, tiles: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    columns, rows = min(_COLUMNS, len(tiles)), -(-len(tiles) // _COLUMNS)
    cell = _SIDE + _GAP, _SIDE + _LETTERS + 2 * _GAP
    head = _HEAD + 2 * _GAP
    small, large = ImageFont.load_default(_LETTERS), ImageFont.load_default(_HEAD)
    width = max(columns * cell[0] + _GAP, int(large.getlength(title)) + 2 * _GAP)
    sheet = Image.new("RGB", (width, rows * cell[1] + head), _PAPER)
    ink = ImageDraw.Draw(sheet)
    ink.text((_GAP, _GAP / 2), title, fill=_INK, font=large)
    for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        left, top = _GAP + place % columns * cell[0], head + place // columns * cell[1]
        sheet.paste(tile, (left, top))
        ink.text((left, top + _SIDE + _GAP / 4), caption, fill=_QUIET, font=small)
    return sheet
