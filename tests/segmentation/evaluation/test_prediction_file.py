"""Streamed JSON: the same values as json's, and damage with its place."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.evaluation.metrics.prediction_file import stream_rows

KEY = "annotations"
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


def streamed(file: Path) -> tuple[Any, list[tuple[int, Any]]]:
    rows: list[tuple[int, Any]] = []
    rest = stream_rows(file, KEY, lambda number, row: rows.append((number, row)))
    return rest, rows


@pytest.mark.parametrize("characters", [1, 7, 2**20])
@pytest.mark.parametrize("indent", [None, 1])
def test_what_json_reads(characters: int, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.evaluation.metrics.prediction_file._PART", characters)
    file = tmp_path / "rows.json"

    @settings(max_examples=30, deadline=None, database=None)
    @given(st.lists(VALUES), st.dictionaries(st.text(), VALUES), st.dictionaries(st.text(), VALUES))
    def check(entries: list[Any], before: dict[str, Any], after: dict[str, Any]) -> None:
        file.write_text(json.dumps(entries, indent=indent))
        assert streamed(file) == (None, list(enumerate(entries)))
        file.write_text(json.dumps({**before, KEY: entries, **after}, indent=indent))
        assert streamed(file) == ({**before, KEY: [], **after}, list(enumerate(entries)))

    check()


def test_numbers_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('[NaN, -Infinity, {"score": Infinity}, 123456789012345678901234567890]')
    _, rows = streamed(file)
    assert repr([row for _, row in rows]) == "[nan, -inf, {'score': inf}, 123456789012345678901234567890]"


@pytest.mark.parametrize("characters", [1, 2**20])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a list or an object at character 0, got 'the end of the file'"),
        ("7", "expected a list or an object at character 0, got '7'"),
        ("[1, 2", "expected ',' at character 5, got 'the end of the file'"),
        ("[1, ]", "Expecting value at character 4"),
        ("[1 2]", "expected ',' at character 3, got '2'"),
        ("[1] 2", "expected the end of the file at character 4, got '2'"),
        ("[" + 5000 * "1," + "x]", "Expecting value at character 10001"),
        ('{"a": 1, "annotations": [1, 2}', "expected ',' at character 29, got '}'"),
        ('{"a" 1}', "expected ':' at character 5, got '1'"),
        ('{"a": 1, [2]: 3}', "expected a name in double quotes at character 9, got '['"),
        ('{"a": 1,}', "expected a name in double quotes at character 8, got '}'"),
        ('[{"a": tru', "Expecting value at character 7"),
    ],
)
def test_damaged_text(
    text: str, message: str, characters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmentation.evaluation.metrics.prediction_file._PART", characters)
    file = tmp_path / "rows.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r".*") as caught:
        streamed(file)
    assert str(caught.value) == message
