"""One HTML page with the contact sheets of all clusters."""

import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted


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
