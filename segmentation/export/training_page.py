"""Writes the HTML page of a training run: one file with results, curves, pictures and settings, without a server."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segmentation.base.replace_file import replacing
from segmentation.export.line_charts import log_charts
from segmentation.export.viewer_page import jpeg_uri

Cell = str | float | None
_NUMBER = re.compile(r"[-+−±]?[\d.,]+(?:e[-+]?\d+)?(?: ?[%a-zµ/]{1,4})?|[-–—]")


def write_training_page(
    path: Path,
    *,
    title: str,
    settings_yaml: str,
    table: tuple[Sequence[str], Sequence[Sequence[Cell]]] | None,
    log: Sequence[Mapping[str, Any]],
    pictures: Sequence[tuple[str, UInt8[np.ndarray, "_ _ 3"]]],
    notes: Sequence[str],
) -> None:
    """Writes a self-contained page: results, curves, pictures, settings. It appears complete or not at all.

    It has no script, loads nothing, and its content security policy forbids both.

    Args:
        path: the file; its folder is made where missing.
        title: title of the page.
        settings_yaml: settings of the run, shown as they are.
        table: results: headings, and rows whose first cell names them. Numbers are shown with four digits.
        log: lines of the training log, see :func:`~segmentation.training.log.read_log`.
        pictures: pictures with a caption each.
        notes: sentences below the title.

    Raises:
        ValueError: a row with more or fewer cells than there are headings.
    """
    sections = {
        "Results": "" if table is None else _table(*table),
        "Curves": _charts(log),
        "Pictures": _pictures(pictures),
        "Settings": f"<details><summary>All settings</summary><pre>{escape(settings_yaml)}</pre></details>",
    }
    folder = files("segmentation.export")
    slots = {
        "title": escape(title),
        "style": (folder / "training_page.css").read_text("utf-8"),
        "lead": _facts(log) + _around('<ul class="notes">', (f"<li>{escape(note)}</li>" for note in notes), "</ul>"),
        "sections": "\n".join(
            f"<section>\n<h2>{name}</h2>\n{body}\n</section>" for name, body in sections.items() if body
        ),
    }
    template = (folder / "training_page.html").read_text("utf-8")
    page = re.sub(r"\{\{(\w+)\}\}", lambda slot: slots[slot[1]], template)  # one pass: contents are not looked into
    with replacing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")


def _around(start: str, entries: Iterable[str], end: str, between: str = "") -> str:
    """Returns the entries inside an element, or nothing if there are none."""
    inside = between.join(entries)
    return f"{start}{between}{inside}{between}{end}" if inside else ""


def _facts(log: Sequence[Mapping[str, Any]]) -> str:
    """Returns the number of steps, and the loss of the first and the last line of the log."""
    if not log:
        return ""
    first, last = log[0], log[-1]
    facts = {"steps": f"{last['step']:,}"}
    if first.get("loss") is not None and last.get("loss") is not None:
        facts["loss"] = f"{first['loss']:.3g} → {last['loss']:.3g}"
    entries = (f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items())
    return _around('<dl class="facts">', entries, "</dl>")


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    for place, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(f"'table' must have {len(columns)} cells in each row, got {len(row)} in row {place}")
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [
        place > 0 and bool(cells) and all(_NUMBER.fullmatch(row[place]) or not row[place] for row in cells)
        for place in range(len(columns))
    ]

    def line(cells: Sequence[str], head: bool) -> str:
        parts = []
        for place, (cell, number) in enumerate(zip(cells, numeric, strict=True)):
            kind = ' class="number"' if number else ""
            tag, scope = ("th", ' scope="col"') if head else ("td", "") if place else ("th", ' scope="row"')
            parts.append(f"<{tag}{scope}{kind}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "\n".join(line(row, False) for row in cells)
    return (
        f'<div class="scroll"><table>\n<thead>{line(columns, True)}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    )


def _cell(value: Cell) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _charts(log: Sequence[Mapping[str, Any]]) -> str:
    last = {name: value for line in log for name, value in line.items() if value is not None}
    figures = (
        f"<figure><figcaption><span>{escape(name.replace('_', ' '))}</span><span>{last[name]:.4g}</span></figcaption>"
        f"{chart}</figure>"
        for name, chart in log_charts(log).items()
    )
    return _around('<div class="charts">', figures, "</div>", "\n")


def _pictures(pictures: Sequence[tuple[str, np.ndarray]]) -> str:
    figures = []
    for caption, picture in pictures:
        height, width = picture.shape[:2]
        source, caption = jpeg_uri(picture, max(height, width), quality=90), escape(caption)
        image = f'<img src="{source}" width="{width}" height="{height}" alt="{caption}">'
        figures.append(f"<figure><figcaption>{caption}</figcaption>{image}</figure>")
    return _around('<div class="pictures">', figures, "</div>", "\n")
