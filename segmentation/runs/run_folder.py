"""The folder of a run: its settings, its finished photos, and how to continue it after an interruption."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segmentation.base.replace_file import replacing

_SETTINGS, _JOURNAL = "run.json", "photos.jsonl"
_RESULTS = ("instances.json", "panoptic.json", "index.html")  # written when the run is complete


class RunFolder:
    """The folder that a run writes to, photo by photo.

    Each finished photo is one line of a journal, written when all its other files are there. Whatever interrupts the
    run, the next one can continue after the last complete line.

    Args:
        path: the folder, which is made if missing.
        settings: settings that determine the results, in JSON's types.
        resume: whether to continue the run that is in the folder.
        overwrite: whether to replace it.

    Attributes:
        path: the folder.
        done: names of the finished photos.

    Raises:
        FileExistsError: the folder has a run, and neither ``resume`` nor ``overwrite``.
        ValueError: a run cannot be resumed with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
        self.path, self._journal = path, path / _JOURNAL
        path.mkdir(parents=True, exist_ok=True)
        there = (path / _SETTINGS).exists()
        if there and not resume and not overwrite:
            raise FileExistsError(
                f"'{path}' has the masks of an earlier run: continue it with --resume, replace it with --overwrite, or "
                "choose another folder"
            )
        if there and resume:
            self._check_settings(settings)
        else:
            for name in (_JOURNAL, *_RESULTS):
                (path / name).unlink(missing_ok=True)
            with replacing(path / _SETTINGS) as unfinished:
                unfinished.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        self._journal.touch()
        with self._journal.open("rb+") as file:  # a line without an end was being written when a run was killed
            file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))
            file.seek(0)
            self.done = {json.loads(line)["file_name"] for line in file}

    def add(self, record: dict[str, Any]) -> None:
        """Appends the record of a finished photo, whose name is ``record["file_name"]``, to the journal."""
        with self._journal.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done.add(record["file_name"])

    def records(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """Yields the records of the finished ones of these photos, in the order of ``names``."""
        with self._journal.open("rb") as file:
            starts = {}
            position = 0
            for line in file:
                starts[json.loads(line)["file_name"]] = position
                position += len(line)
            for name in names:
                if name in starts:
                    file.seek(starts[name])
                    yield json.loads(file.readline())

    def _check_settings(self, settings: dict[str, Any]) -> None:
        before = json.loads((self.path / _SETTINGS).read_text(encoding="utf-8"))
        now = json.loads(json.dumps(settings))
        different = [
            f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
            for name in sorted(set(before) | set(now))
            if before.get(name) != now.get(name)
        ]
        if different:
            raise ValueError(
                f"'{self.path}' has a run with other settings, which --resume cannot mix: {'; '.join(different)}"
            )


def sha256(path: Path) -> str:
    """Returns the hash of a file of weights, by which a run folder knows them whatever the file is called."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**24):
            digest.update(chunk)
    return digest.hexdigest()
