"""Label maps of photos: those of BSDS500's annotators, and the levels of predicted hierarchies."""

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

_UNREADABLE = (
    *(ValueError, KeyError, TypeError, IndexError, AttributeError, NotImplementedError),
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile, MatReadError),
)


@dataclass(frozen=True)
class LevelMaps:
    """The levels of one photo.

    Attributes:
        thresholds: what each level was made with, ``[levels]``.
        labels: region of each pixel at each level, ``[levels, height, width]``.
    """

    thresholds: Float[np.ndarray, " levels"]
    labels: Integer[np.ndarray, "levels height width"]


def read_annotators(file: Path) -> list[Integer[np.ndarray, "height width"]]:
    """The label map of each annotator, from a ground-truth file of BSDS500.

    Raises:
        ValueError: a file that holds no such maps; the message names it.
    """
    maps = _read_cells(file, "Segmentation")
    if not maps:
        raise ValueError(f"{file} has no annotators: its 'groundTruth' is empty")
    for labels in maps:
        if labels.ndim != 2 or labels.shape != maps[0].shape or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"the 'Segmentation's of {file} must be integer maps of one size, got {labels.dtype} {labels.shape} "
                f"beside {maps[0].dtype} {maps[0].shape}"
            )
    return maps


def read_boundaries(file: Path) -> list[Bool[np.ndarray, "height width"]] | None:
    """Where each annotator drew boundaries, from a ground-truth file of BSDS500; ``None`` if it has none of them.

    Raises:
        ValueError: a file that holds no such maps, or only of some annotators; the message names it.
    """
    maps = _read_cells(file, "Boundaries", missing=True)
    if not maps:
        return None
    for drawn in maps:
        if drawn.ndim != 2 or drawn.shape != maps[0].shape or drawn.dtype.kind not in "biuf":
            raise ValueError(
                f"the 'Boundaries' of {file} must be maps of one size, got {drawn.dtype} {drawn.shape} "
                f"beside {maps[0].dtype} {maps[0].shape}"
            )
    return [drawn != 0 for drawn in maps]


def _read_cells(file: Path, field: str, *, missing: bool = False) -> list[np.ndarray]:
    """One field of each annotator; of none, if it may be missing and is."""
    try:
        cells = loadmat(file)["groundTruth"].ravel()
        if missing and not any(field in cell.dtype.names for cell in cells):
            return []
        return [np.asarray(cell[field].item()) for cell in cells]
    except _UNREADABLE as error:
        raise ValueError(
            f"{file} must be a MATLAB file with 'groundTruth', cells with a {field!r}, but cannot be read as one: "
            f"{type(error).__name__} {error}"
        ) from error


def read_levels(file: Path, kind: str) -> LevelMaps:
    """The levels of one kind (``instance`` or ``semantic``) from a file of label maps.

    Raises:
        ValueError: a file that holds no such maps, or pixels without a label; the message names it.
    """
    try:
        with np.load(file) as arrays:
            thresholds, labels = arrays["thresholds"], arrays[kind]
    except _UNREADABLE as error:
        raise ValueError(
            f"{file} must be an npz file with 'thresholds' and {kind!r}, but cannot be read as one: "
            f"{type(error).__name__} {error}"
        ) from error
    if labels.ndim != 3 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{kind!r} of {file} must be integers [levels, height, width], got {labels.dtype} {list(labels.shape)}"
        )
    if thresholds.shape != labels.shape[:1]:
        raise ValueError(
            f"'thresholds' of {file} must be one number for each of the {len(labels)} levels, "
            f"got shape {list(thresholds.shape)}"
        )
    if labels.min() < 1:
        raise ValueError(f"{kind!r} of {file} must label every pixel from 1 on, got the label {labels.min()}")
    return LevelMaps(thresholds.astype(float), labels)


def files_by_stem(folder: Path, pattern: str, wanted: Iterable[str] | None = None) -> dict[str, Path]:
    """Files in a folder and its subfolders by their name without suffix, in the order of the names.

    Raises:
        ValueError: two files of one stem (of those in ``wanted``, if it is given).
    """
    stems = None if wanted is None else set(wanted)
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob(pattern)):
        twin = found.setdefault(file.stem, file)
        if twin is not file and (stems is None or file.stem in stems):
            raise ValueError(f"two files are of photo {file.stem!r}: {twin} and {file}")
    return found
