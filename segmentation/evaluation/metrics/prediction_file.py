"""Reads a file of predicted masks an entry at a time."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from segmentation.evaluation.truth.ground_truth import PhotoId, Row, rows_of

NO_SCORE = ...  # stays the same object in another process
Source = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]
_PART = 2**20  # characters
_SPACE = " \t\n\r"
_decode = json.JSONDecoder().raw_decode


@dataclass(slots=True)
class PredictedMask:
    """A scored mask or box with little overhead: there may be hundreds of thousands.

    Attributes:
        number: number of its entry in the file.
        label: category, or cluster.
        score: score as the file has it; ``NO_SCORE`` where there is none.
        mask: mask as the file has it; ``None`` where there is none.
        box: box as the file has it; ``None`` where there is none.
    """

    number: int
    label: Any
    score: Any
    mask: Any
    box: Any


class EntryError(ValueError):
    """An entry of a file that cannot be a predicted mask."""


class PredictionFile:
    """The entries of a file, or of what was loaded from one.

    Args:
        source: a COCO-format file or a list of COCO results, or what was loaded from either.
        name: name of the source in errors.
        kind: kind of the predictions that are kept, where entries have a kind; ``all`` keeps every one.

    Attributes:
        masks: kept predictions of each photo, by its id in the file.
        first: number of the first entry of each photo.
        number: number of entries.
        other_kind: number of entries of another kind.
        rest: the other parts of a COCO-format file; ``None`` for a list of results.

    Raises:
        ValueError: no JSON, another format, or an entry without a photo or with the id of another one.
    """

    def __init__(self, source: Source, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.masks: dict[PhotoId, list[PredictedMask]] = {}
        self.first: dict[PhotoId, int] = {}
        self.number = self.other_kind = 0
        self._ids: set[object] = set()
        self.rest = self._stream(Path(source)) if isinstance(source, str | Path) else self._walk(source)

    def categories(self, *fields: str) -> list[Row]:
        """Returns the categories of a COCO-format file that has some, each with all the given fields."""
        if self.rest is None or "categories" not in self.rest:
            return []
        return rows_of(self.name, self.rest, "categories", *fields)

    def _stream(self, path: Path) -> Mapping[str, Any] | None:
        try:
            rest = stream_rows(path, "annotations", self._add)
        except EntryError:
            raise
        except ValueError as error:
            raise ValueError(f"'predictions' must be a JSON file, but {path} cannot be read as one: {error}") from error
        if rest is not None:
            rows_of(self.name, rest, "annotations")
        return rest

    def _walk(self, loaded: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        rows: Any = rows_of(self.name, loaded, "annotations") if isinstance(loaded, Mapping) else loaded
        if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
            raise ValueError(f"{self.name} must be a list of results or a COCO-format dict, got {rows!r:.80}")
        for number, row in enumerate(rows):
            self._add(number, row)
        return loaded if isinstance(loaded, Mapping) else None

    def _add(self, number: int, row: object) -> None:
        where = f"{self.name}: entry {number}"
        self.number += 1
        if not isinstance(row, Mapping):
            raise EntryError(f"{where} must be a dict, got {row!r:.80}")
        photo, entry_id = row.get("image_id"), row.get("id")
        if not isinstance(photo, int | str):
            missing = "has no 'image_id'" if photo is None else "must have a number or text as 'image_id'"
            raise EntryError(f"{where} {missing}: {dict(row)!r:.120}")
        if isinstance(entry_id, int | str):
            if entry_id in self._ids:
                raise EntryError(f"{where} has the id {entry_id!r}, which an entry before it has")
            self._ids.add(entry_id)
        self.first.setdefault(photo, number)
        masks = self.masks.setdefault(photo, [])
        if self.kind != "all" and row.get("kind", self.kind) != self.kind:
            self.other_kind += 1
            return
        box = row.get("bbox")
        box = box.tolist() if isinstance(box, np.ndarray) else box
        box = tuple(box) if isinstance(box, list) else box
        # what is missing is told later, with the name of the photo
        score = row.get("score", NO_SCORE)
        masks.append(PredictedMask(number, row.get("category_id"), score, row.get("segmentation"), box))


def stream_rows(path: Path, key: str, each: Callable[[int, Any], None]) -> dict[str, Any] | None:
    """Hands every entry of a list to ``each``, and returns the rest of the file.

    The list is the whole file, or the value of ``key`` in an object, of which the rest is returned with an empty list
    in its place. However long it is, only a small part of the text is in memory at a time. ``NaN`` and ``Infinity`` are
    read as numbers, as by :mod:`json`. ``each`` gets the number of an entry, from 0, and the entry.

    Raises:
        ValueError: text that is not JSON, or neither a list nor an object; the message says where.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "rows.json"
        ...     _ = file.write_text('{"info": 7, "rows": [{"id": 1}, {"id": 2}]}')
        ...     rows = []
        ...     stream_rows(file, "rows", lambda number, row: rows.append(row)), rows
        ({'info': 7, 'rows': []}, [{'id': 1}, {'id': 2}])
    """
    with path.open(encoding="utf-8") as file:
        text = _Text(file)
        rest: dict[str, Any] | None = None
        if text.peek() == "[":
            _each_entry(text, each)
        elif text.peek() == "{":
            rest = {}
            for _ in text.items("{", "}"):
                if text.peek() != '"':
                    text.expected("a name in double quotes")
                name = text.value()
                text.take(":")
                if name == key and text.peek() == "[":
                    _each_entry(text, each)
                    rest[name] = []
                else:
                    rest[name] = text.value()
        else:
            text.expected("a list or an object")
        if text.peek():
            text.expected("the end of the file")
    return rest


def _each_entry(text: "_Text", each: Callable[[int, Any], None]) -> None:
    for number in text.items("[", "]"):
        each(number, text.value())


class _Text:
    """A window of a file's characters that moves forward."""

    def __init__(self, file: TextIO) -> None:
        self.file, self.window, self.at = file, "", 0
        self.before = 0  # characters of the file before the window

    def peek(self) -> str:
        """Returns the next character that is not space, or an empty text at the end."""
        while True:
            while self.at < len(self.window):
                if self.window[self.at] not in _SPACE:
                    return self.window[self.at]
                self.at += 1
            if not self._read(_PART):
                return ""

    def take(self, character: str) -> None:
        """Moves past a character that has to come next."""
        if self.peek() != character:
            self.expected(repr(character))
        self.at += 1

    def expected(self, what: str) -> None:
        """Raises an error about the next character."""
        got = self.peek()
        raise ValueError(f"expected {what} at character {self.before + self.at}, got {got or 'the end of the file'!r}")

    def items(self, first: str, last: str) -> Iterator[int]:
        """Moves past the brackets and commas of a list or an object; yields numbers where an item begins."""
        self.take(first)
        number = 0
        while self.peek() != last:
            if number:
                self.take(",")
            yield number
            number += 1
        self.take(last)

    def value(self) -> Any:
        """Returns the value that begins here, and moves past it."""
        self.peek()
        part = _PART
        while True:
            try:
                value, end = _decode(self.window, self.at)
            except json.JSONDecodeError as error:
                if not self._read(part):
                    raise ValueError(f"{error.msg} at character {self.before + error.pos}") from error
            else:
                whole = self.window[end : end + 3].strip(".eE+-")  # else a number may go on
                if whole or not self._read(part):
                    self.at = end
                    return value
            part *= 2

    def _read(self, characters: int) -> bool:
        """Appends more of the file, and returns whether there was any."""
        more = self.file.read(characters)
        if more:
            self.before += self.at
            self.window, self.at = self.window[self.at :] + more, 0
        return bool(more)
