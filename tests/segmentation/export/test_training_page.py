"""The page of a training run."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segmentation.export.training_page import write_training_page

NASTY = "</style><script>alert(1)</script>\"'& {{style}} {{sections}} \\1"
VOID = {"meta", "link", "img", "br", "path", "circle", "polyline"}


class Page(HTMLParser):
    """Elements with their texts; fails where tags do not close in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data


def page_of(path: Path, **changes: Any) -> tuple[Page, str]:
    content: dict[str, Any] = {
        "title": "Scenes",
        "settings_yaml": "optimizer:\n  lr: 0.1\n",
        "table": (("masks", "AP", "AR"), [("OAP", 12.34567, None), ("student", 31.0, "45.1 %")]),
        "log": [{"step": step, "loss": 5 / step, "lr": 0.1} for step in range(1, 9)],
        "pictures": [],
        "notes": [],
    }
    write_training_page(path, **(content | changes))
    source = path.read_text(encoding="utf-8")
    return Page(source), source


def test_results_curves_and_settings_are_there(tmp_path: Path) -> None:
    page, _ = page_of(tmp_path / "new" / "index.html", notes=["first note", "second note"])
    assert page.texts["h1"] == page.texts["title"] == ["Scenes"]
    assert page.texts["h2"] == ["Results", "Curves", "Settings"]
    assert page.texts["th"] == ["masks", "AP", "AR", "OAP", "student"]
    assert page.texts["td"] == ["12.35", "", "31", "45.1 %"]
    assert [attributes.get("class") for tag, attributes in page.elements if tag == "td"] == ["number"] * 4
    assert page.texts["dd"] == ["8", "5 → 0.625"]
    assert page.texts["li"] == ["first note", "second note"]
    assert page.texts["pre"] == ["optimizer:\n  lr: 0.1\n"]
    assert sum(tag == "svg" for tag, _ in page.elements) == 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["index.html"]


def test_whatever_is_shown_is_text(tmp_path: Path) -> None:
    page, source = page_of(
        tmp_path / "index.html",
        title=NASTY,
        settings_yaml=NASTY,
        table=((NASTY, "b"), [(NASTY, NASTY)]),
        log=[{"step": 1, NASTY: 1.0}, {"step": 2, NASTY: 2.0}],
        pictures=[(NASTY, np.zeros((2, 3, 3), dtype=np.uint8))],
        notes=[NASTY],
    )
    for tag in ("title", "h1", "pre", "li", "td"):
        assert page.texts[tag] == [NASTY]
    assert NASTY in page.texts["th"]
    assert [attributes["alt"] for tag, attributes in page.elements if tag == "img"] == [NASTY]
    assert not any(tag == "script" for tag, _ in page.elements)
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.elements for name in attributes)
    assert sum(tag == "style" for tag, _ in page.elements) == source.count("<style>") == 1


def test_nothing_is_loaded(tmp_path: Path) -> None:
    page, source = page_of(tmp_path / "index.html", pictures=[("a", np.zeros((2, 3, 3), dtype=np.uint8))])
    links = [value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")]
    assert links
    assert all(link is not None and link.startswith("data:") for link in links)
    assert "://" not in source
    assert not re.search(r"url\(|@import", source)
    policy = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policy[0] is not None
    assert policy[0].startswith("default-src 'none'; img-src data:;")


def test_pictures_are_those_given(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 40, dtype=np.uint8)[:, None, None].repeat(30, axis=1).repeat(3, axis=2)
    page, _ = page_of(tmp_path / "index.html", pictures=[("step 100", ramp)])
    attributes = next(attributes for tag, attributes in page.elements if tag == "img")
    assert (attributes["width"], attributes["height"]) == ("30", "40")
    data = base64.b64decode(str(attributes["src"]).partition(",")[2])
    found = np.array(Image.open(io.BytesIO(data)), dtype=int)
    assert np.abs(found - ramp).max() < 12
    assert page.texts["h2"] == ["Results", "Curves", "Pictures", "Settings"]


def test_a_run_without_results_has_a_page(tmp_path: Path) -> None:
    page, _ = page_of(tmp_path / "index.html", table=None, log=[])
    assert page.texts["h2"] == ["Settings"]
    page, _ = page_of(tmp_path / "index.html", log=[{"step": 1, "loss": None}])
    assert page.texts["dd"] == ["1"]


def test_rows_must_fit_their_headings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'table' must have 2 cells in each row, got 3 in row 1"):
        page_of(tmp_path / "index.html", table=(("a", "b"), [("c", 1), ("d", 2, 3)]))
    assert not list(tmp_path.iterdir())
