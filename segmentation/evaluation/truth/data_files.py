"""Finds the files of a data set, and says which are missing or damaged."""

import zlib
from collections.abc import Sequence
from pathlib import Path

#: What SciPy, NumPy and zipfile raise for damaged files; NotImplementedError is theirs for newer versions of a format.
DAMAGED = (
    *(ValueError, KeyError, TypeError, IndexError, AttributeError, NotImplementedError),
    *(OSError, EOFError, zlib.error),
)


class MissingDataError(ValueError):
    """A data set that is not there, or not complete.

    Args:
        root: folder of the data set.
        missing: missing files and folders, of which the message names the first.
        layout: what the folder has to look like, for the message; empty where nobody knows yet.
    """

    def __init__(self, root: Path, missing: Sequence[Path], layout: str = "") -> None:
        self.root, self.missing = root, missing
        first = missing[0].relative_to(root).as_posix() if missing[0].is_relative_to(root) else missing[0]
        more = f" (the first of {len(missing):,} that are missing)" if len(missing) > 1 else ""
        shape = f". It has to look like this:\n{layout}" if layout else ""
        super().__init__(f"data set in '{root}' is not complete: there is no {first}{more}{shape}")


def require_files(root: Path, *files: Path) -> None:
    """Checks that files, or folders, of a data set exist.

    Raises:
        MissingDataError: one does not; the message names the first, and how many are missing.

    Example:
        >>> require_files(Path("."), Path("x.json"), Path("y.json"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        segmentation...MissingDataError: data set in '.' is not complete: there is no x.json (the first of 2 ...)
    """
    missing = [file for file in files if not file.exists()]
    if missing:
        raise MissingDataError(root, missing)


def first_existing(root: Path, choices: Sequence[Path]) -> Path:
    """Returns the first that exists of the places where people keep something.

    Raises:
        MissingDataError: none exists; the message names the first.
    """
    found = next((choice for choice in choices if choice.exists()), choices[0])
    require_files(root, found)
    return found


def files_in(root: Path, folder: Path, pattern: str) -> list[Path]:
    """Returns the files of a folder whose names match a pattern, in the order of their names.

    Raises:
        MissingDataError: there are none.
    """
    files = sorted(folder.glob(pattern))
    if not files:
        raise MissingDataError(root, [folder / pattern])
    return files
