"""Label maps of photos: those of BSDS500's annotators, and the levels of predicted hierarchies."""

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
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
