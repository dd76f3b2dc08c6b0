"""One HTML file that tells how a training run went, without a server and without a network."""

import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segmentation.base.replace_file import replacing
from segmentation.export.curves import log_charts
from segmentation.export.photo_record import jpeg

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
        title: of the page.
        settings_yaml: shown as it is.
        table: the results: headings, and rows whose first cell names them. Numbers are shown with four digits.
        log: lines of the training log, see :func:`~segmentation.training.log.read_log`.
        pictures: with a caption each.
        notes: sentences below the title.

    Raises:
        ValueError: a row with more or fewer cells than there are headings.
    """
    if table is not None:
        columns, rows = table
        for place, row in enumerate(rows):
            if len(row) != len(columns):
                raise ValueError(f"'table' must have {len(columns)} cells in each row, got {len(row)} in row {place}")
    sections = [
        "" if table is None else _section("Results", _table(*table)),
        _section("Curves", _charts(log)),
        _section("Pictures", _pictures(pictures)),
        _section("Settings", f"<details><summary>All settings</summary><pre>{_text(settings_yaml)}</pre></details>"),
    ]
    folder = files("segmentation.export")
    content = {
        "title": _text(title),
        "style": (folder / "training_page.css").read_text("utf-8"),
        "lead": _facts(log) + _notes(notes),
        "sections": "\n".join(filter(None, sections)),
    }
    template = (folder / "training_page.html").read_text("utf-8")
    page = re.sub(r"\{\{(\w+)\}\}", lambda slot: content[slot[1]], template)  # one pass: content is not looked into
    with replacing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""


def _facts(log: Sequence[Mapping[str, Any]]) -> str:
    """What one wants to know first."""
    if not log:
        return ""
    first, last = log[0], log[-1]
    facts = {"steps": f"{last['step']:,}"}
    if first.get("loss") is not None and last.get("loss") is not None:
        facts["loss"] = f"{first['loss']:.3g} → {last['loss']:.3g}"
    entries = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items())
    return f'<dl class="facts">{entries}</dl>'


def _notes(notes: Sequence[str]) -> str:
    entries = "".join(f"<li>{_text(note)}</li>" for note in notes)
    return f'<ul class="notes">{entries}</ul>' if notes else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    shown = [[_cell(value) for value in row] for row in rows]
    numbers = [
        place > 0 and bool(shown) and all(_NUMBER.fullmatch(row[place]) or not row[place] for row in shown)
        for place in range(len(columns))
    ]

    def line(cells: Sequence[str], head: bool) -> str:
        parts = []
        for place, (cell, number) in enumerate(zip(cells, numbers, strict=True)):
            kind = ' class="number"' if number else ""
            tag, scope = ("th", ' scope="col"') if head else ("td", "") if place else ("th", ' scope="row"')
            parts.append(f"<{tag}{scope}{kind}>{_text(cell)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "\n".join(line(row, False) for row in shown)
    return (
        f'<div class="scroll"><table>\n<thead>{line(columns, True)}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
    )


def _charts(log: Sequence[Mapping[str, Any]]) -> str:
    last = {name: value for line in log for name, value in line.items() if value is not None}
    figures = [
        f"<figure><figcaption><span>{_text(name.replace('_', ' '))}</span><span>{last[name]:.4g}</span></figcaption>"
        f"{chart}</figure>"
        for name, chart in log_charts(log).items()
    ]
    return '<div class="charts">\n' + "\n".join(figures) + "\n</div>" if figures else ""


def _pictures(pictures: Sequence[tuple[str, np.ndarray]]) -> str:
    figures = []
    for caption, picture in pictures:
        height, width = picture.shape[:2]
        source = jpeg(picture, (height, width), quality=90)
        figures.append(
            f"<figure><figcaption>{_text(caption)}</figcaption>"
            f'<img src="{source}" width="{width}" height="{height}" alt="{_text(caption)}"></figure>'
        )
    return '<div class="pictures">\n' + "\n".join(figures) + "\n</div>" if figures else ""


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _text(text: str) -> str:
    return html.escape(text)
