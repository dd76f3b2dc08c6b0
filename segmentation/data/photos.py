"""Finds photos in files and folders, and gives each a name of its own."""

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segmentation.data.decode import read_photo
from segmentation.data.formats import has_photo_header, photo_suffixes, pillow_silenced


@dataclass(frozen=True)
class PhotoFile:
    """The file of one photo of a run.

    Attributes:
        path: path of the file.
        name: name of the photo, unique in the run: its path relative to the given folder, with forward slashes.
        stem: name of its output files, unique in the run even where case does not count: the name without its suffix,
            or with it if another photo has that stem.
    """

    path: Path
    name: str
    stem: str

    def read(self) -> NDArray[np.uint8]:
        """Decodes the photo."""
        return read_photo(self.path)


class PhotoList(list[PhotoFile]):
    """The photos of a run.

    Attributes:
        ignored: number of other files in the given folders.
        unreadable: folders that could not be listed.
    """

    def __init__(self, photos: Iterable[PhotoFile], ignored: int, unreadable: Sequence[Path]) -> None:
        super().__init__(photos)
        self.ignored = ignored
        self.unreadable = tuple(unreadable)


def find_photos(paths: Sequence[str | Path]) -> PhotoList:
    """Finds photos in files and folders.

    A given file is taken whatever its name. Folders are searched with all their subfolders, but not hidden files and
    folders; photos in them are recognised by their suffix, or else by their first bytes. A photo that can be reached
    in several ways is taken once.

    Args:
        paths: files and folders to search.

    Returns:
        The photos, in the order of ``paths`` and by name within each. If photos of two given folders have the same
        name, all names start with the name of their folder.

    Raises:
        TypeError: ``paths`` is no sequence of paths.
        FileNotFoundError: one of them does not exist.
        ValueError: there is no photo in any of them.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "a.png"):
        ...         Image.new("L", (3, 2)).save(f"{folder}/{name}")
        ...     [(photo.name, photo.stem) for photo in find_photos([folder])]
        [('a.jpg', 'a.jpg'), ('a.png', 'a.png'), ('b.png', 'b')]
    """
    found: dict[str, tuple[str, Path, Path]] = {}  # real path: given folder, path in it, path
    ignored: set[str] = set()
    unreadable: list[Path] = []
    suffixes = photo_suffixes()
    for given in _checked(paths):
        is_folder = os.path.isdir(given)
        folder = given if is_folder else given.parent
        inside = _files(given, unreadable) if is_folder else [given]
        with pillow_silenced():
            for path in sorted(inside, key=lambda path: path.relative_to(folder).as_posix()):
                real = os.path.realpath(path)
                if is_folder and real not in found and not _is_photo(path, suffixes):
                    ignored.add(real)
                else:
                    found.setdefault(real, (os.path.realpath(folder), path.relative_to(folder), path))
    if not found:
        raise ValueError(f"no photos in {', '.join(map(str, paths))} (other files: {len(ignored)})")
    names = _names([(folder, _printable(inner.as_posix())) for folder, inner, _ in found.values()])
    photos = map(PhotoFile, (path for _, _, path in found.values()), names, _stems(names))
    return PhotoList(photos, len(ignored - found.keys()), unreadable)


def _checked(paths: Sequence[str | Path]) -> list[Path]:
    if isinstance(paths, (str, bytes, os.PathLike)) or not isinstance(paths, Sequence):
        raise TypeError(f"'paths' must be a sequence of paths, got {type(paths).__name__} {paths!r}")
    if not paths:
        raise ValueError("'paths' must name at least one file or folder, got none")
    for path in paths:
        if not isinstance(path, (str, Path)):
            raise TypeError(f"'paths' must hold str or Path, got {type(path).__name__} {path!r}")
        if not os.path.exists(path):
            raise FileNotFoundError(f"no such file or folder: {path}")
    return [Path(path) for path in paths]


def _files(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    visited: set[str] = set()
    walk = os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename)), followlinks=True)
    for here, folders, files in walk:
        real = os.path.realpath(here)
        if real in visited:  # by a symbolic link
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here, name) for name in files if not name.startswith("."))


def _is_photo(path: Path, suffixes: set[str]) -> bool:
    return os.path.isfile(path) and (path.suffix.lower() in suffixes or has_photo_header(path))


def _printable(name: str) -> str:
    """Replaces bytes that are no text, which would break every file that this name is written to."""
    return name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _names(found: list[tuple[str, str]]) -> list[str]:
    """Makes unique names for photos of (given folder, name in it)."""
    names = [name for _, name in found]
    if len(set(found)) > len(set(names)):  # two folders have a name in common
        folders = list(dict.fromkeys(folder for folder, _ in found))
        labels = _unique(_numbered(_printable(os.path.basename(folder)) or "root") for folder in folders)
        label_of = dict(zip(folders, labels, strict=True))
        names = [f"{label_of[folder]}/{name}" for folder, name in found]
    return _unique(map(_numbered, names))


def _stems(names: list[str]) -> list[str]:
    stems = [posixpath.splitext(name)[0] for name in names]
    counts = Counter(map(str.casefold, stems))
    options = (
        _numbered(name) if counts[stem.casefold()] > 1 else chain([stem], _numbered(name))
        for name, stem in zip(names, stems, strict=True)
    )
    return _unique(options, str.casefold)


def _numbered(name: str) -> Iterator[str]:
    """Yields ``a.png``, ``a-2.png``, ``a-3.png`` and so on."""
    yield name
    stem, suffix = posixpath.splitext(name)
    yield from (f"{stem}-{number}{suffix}" for number in count(2))


def _unique(options: Iterable[Iterable[str]], key: Callable[[str], str] = str) -> list[str]:
    """Chooses from each series of names the first whose key has not been taken."""
    chosen: dict[str, str] = {}
    for names in options:
        name = next(name for name in names if key(name) not in chosen)
        chosen[key(name)] = name
    return list(chosen.values())
