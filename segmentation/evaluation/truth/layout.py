"""Finds the files of a data set, and says which are missing."""

from collections.abc import Iterable, Sequence
from pathlib import Path


class MissingDataError(ValueError):
    """A data set that is not there, or not complete.

    Attributes:
        file: the first file, or folder, that is missing.
    """

    def __init__(self, message: str, file: Path) -> None:
        super().__init__(message)
        self.file = file


def require(root: Path, layout: str, *files: Path) -> None:
    """Every file, or folder, is there.

    Args:
        root: folder of the data set.
        layout: what it has to look like.
        files: that are needed.

    Raises:
        MissingDataError: one is not; the message has the first that is missing, how many are, and the layout.

    Example:
        >>> require(Path("."), "x.json", Path("x.json"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        segmentation.evaluation.truth.layout.MissingDataError: data set in '.' is not complete: there is no x.json. ...
    """
    missing = [file for file in files if not file.exists()]
    if missing:
        more = f" (the first of {len(missing):,} that are missing)" if len(missing) > 1 else ""
        place = missing[0].relative_to(root).as_posix() if missing[0].is_relative_to(root) else missing[0]
        raise MissingDataError(
            f"data set in '{root}' is not complete: there is no {place}{more}. It has to look like this:\n{layout}",
            missing[0],
        )


def first_there(root: Path, layout: str, choices: Sequence[Path]) -> Path:
    """The first of several places where people have something.

    Raises:
        MissingDataError: it is at none of them; the message has the first.
    """
    for choice in choices:
        if choice.exists():
            return choice
    require(root, layout, choices[0])
    return choices[0]


def listed(root: Path, layout: str, folder: Path, pattern: str) -> list[Path]:
    """The files of a folder, by name.

    Raises:
        MissingDataError: there are none.
    """
    files: Iterable[Path] = folder.glob(pattern) if folder.is_dir() else ()
    found = sorted(files)
    if not found:
        require(root, layout, folder / pattern)
    return found
