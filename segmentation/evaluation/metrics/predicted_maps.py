"""Predicted label maps: which file is of which photo, and what its values say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Integer
from PIL import Image

from graphpool.checks import check_count
from segmentation.base.wording import counted, some_of
from segmentation.evaluation.truth.truth_maps import read_png

_NONE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
_OWN_FOLDER = "semantic"  # of an output folder of segmentation.predict


@dataclass(frozen=True)
class PredictedMaps:
    """Predicted maps of photos.

    Attributes:
        file_of: of each photo, by its name.
        missing: names of photos without one.
        notes: what a reader of the scores has to know about photos that were not matched.
    """

    file_of: dict[str, Path]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def find_maps(folder: Path, names: Sequence[str], key: Callable[[str], str]) -> PredictedMaps:
    """The maps of photos in a folder and its subfolders, or in the folder ``semantic`` in it.

    A map is of the photo whose name it has, up to the suffix: with its folders, or without, where only one photo and
    one map have that name.

    Args:
        folder: with PNG files.
        names: of the photos.
        key: brings the stems of both to one form.

    Raises:
        ValueError: no maps, two maps of a photo, or none of any of the photos.
    """
    if not folder.is_dir():
        raise ValueError(f"'predictions' must be a folder with PNG files, but there is no folder {folder}")
    folder = folder / _OWN_FOLDER if (folder / _OWN_FOLDER).is_dir() and not any(folder.glob("*.png")) else folder
    files = sorted(folder.rglob("*.png"))
    if not files:
        raise ValueError(f"'predictions' must be a folder with PNG files, but {folder} has none")
    whole = _by_key([file.relative_to(folder).with_suffix("").as_posix() for file in files], key)
    last = _by_key([file.stem for file in files], key)
    bases = _by_key([PurePosixPath(name).stem for name in names], key)
    file_of, used = {}, set()
    for name in names:
        stem = key(PurePosixPath(name).with_suffix("").as_posix())
        base = key(PurePosixPath(name).stem)
        found = whole.get(stem) or (last.get(base, []) if len(bases[base]) == 1 else [])
        if len(found) > 1:
            raise ValueError(f"two maps are of photo {name!r}: {files[found[0]]} and {files[found[1]]}")
        if found:
            file_of[name] = files[found[0]]
            used.add(found[0])
    if not file_of:
        raise ValueError(
            f"no map in {folder} is of a photo: there {some_of([f.name for f in files])}, here {some_of(names)}"
        )
    missing = tuple(name for name in names if name not in file_of)
    strangers = [file.relative_to(folder).as_posix() for place, file in enumerate(files) if place not in used]
    notes = []
    if strangers:
        notes.append(f"{counted(len(strangers), 'map')} in {folder} of no photo, left out: {some_of(strangers)}")
    if missing:
        notes.append(
            f"{len(missing):,} of the {counted(len(names), 'photo')} without a map in {folder}, all of their pixels "
            f"are wrong: {some_of(missing)}"
        )
    return PredictedMaps(file_of, missing, tuple(notes))


def read_map(file: Path) -> Integer[np.ndarray, "height width"]:
    """The values of a predicted map, -1 where there is none (255 of 8 bits, 65535 of 16).

    Raises:
        ValueError: a file that cannot be read, or has no labels of 8 or 16 bits.
    """
    values = read_png(file)
    if values.ndim != 2 or values.dtype not in _NONE:
        raise ValueError(f"{file} must have labels of 8 or 16 bits, got {values.dtype} {list(values.shape)}")
    labels = values.astype(np.int32)
    labels[values == _NONE[values.dtype]] = -1
    return labels


def centre_square(labels: Integer[np.ndarray, "height width"], side: int) -> Integer[np.ndarray, "side side"]:
    """A map at another size, nearest labels: its shorter side as long as said, the longer one cut on both ends.

    Example:
        >>> centre_square(np.array([[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]], dtype=np.int32), 1).tolist()
        [[2]]
    """
    check_count("side", side, 1)
    height, width = labels.shape
    scale = side / min(height, width)
    size = max(side, round(width * scale)), max(side, round(height * scale))
    small = np.array(Image.fromarray(labels.astype(np.int32)).resize(size, Image.Resampling.NEAREST))
    top, left = (small.shape[0] - side) // 2, (small.shape[1] - side) // 2
    return small[top : top + side, left : left + side].astype(labels.dtype)


def _by_key(stems: Sequence[str], key: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, stem in enumerate(stems):
        places.setdefault(key(stem), []).append(place)
    return places
