"""A JSON file whose long list is read an entry at a time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

_PART = 2**20  # characters
_SPACE = " \t\n\r"
_decode = json.JSONDecoder().raw_decode


def stream_rows(path: Path, key: str, each: Callable[[int, Any], None]) -> dict[str, Any] | None:
    """Hands every entry of a list to ``each``, and returns what else is in the file.

    The list is the whole file, or what stands under ``key`` in an object. However long it is, little of the text is in
    memory at a time.

    Args:
        path: the file.
        key: name of the list, where the file holds an object.
        each: takes the number of an entry, from 0, and the entry.

    Returns:
        The object, in which the list is empty; ``None`` if the file is a list.

    Raises:
        ValueError: it is no JSON, or neither a list nor an object.

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
        if text.next() == "[":
            _each_entry(text, each)
        elif text.next() == "{":
            rest = {}
            for name in _keys(text):
                if name == key and text.next() == "[":
                    _each_entry(text, each)
                    rest[name] = []
                else:
                    rest[name] = text.value()
        else:
            raise ValueError(f"expected a list or an object, got {text.next()!r}")
        if text.next():
            raise ValueError(f"expected the end of the file, got {text.next()!r}")
    return rest


def _each_entry(text: "_Text", each: Callable[[int, Any], None]) -> None:
    text.take("[")
    number = 0
    while text.next() != "]":
        if number:
            text.take(",")
        each(number, text.value())
        number += 1
    text.take("]")


def _keys(text: "_Text") -> Iterator[str]:
    text.take("{")
    first = True
    while text.next() != "}":
        if not first:
            text.take(",")
        first = False
        name = text.value()
        text.take(":")
        yield name
    text.take("}")


class _Text:
    """A file as a window of characters that moves on."""

    def __init__(self, file: TextIO) -> None:
        self.file, self.window, self.at, self.ended = file, "", 0, False

    def next(self) -> str:
        """The character behind any space; none at the end."""
        while True:
            while self.at < len(self.window):
                if self.window[self.at] not in _SPACE:
                    return self.window[self.at]
                self.at += 1
            if not self._read(_PART):
                return ""

    def take(self, character: str) -> None:
        """Moves behind a character that has to be there."""
        if self.next() != character:
            raise ValueError(f"expected {character!r}, got {self.next() or 'the end of the file'!r}")
        self.at += 1

    def value(self) -> Any:
        """The value that begins here, and moves behind it."""
        self.next()
        part = _PART
        while True:
            try:
                value, end = _decode(self.window, self.at)
            except json.JSONDecodeError:
                if not self._read(part):
                    raise
            else:
                if end < len(self.window) or not self._read(part):  # a number may go on
                    self.at = end
                    return value
            part *= 2

    def _read(self, characters: int) -> bool:
        """Whether there was more to read."""
        if self.ended:
            return False
        more = self.file.read(characters)
        self.ended = not more
        self.window, self.at = self.window[self.at :] + more, 0
        return not self.ended
