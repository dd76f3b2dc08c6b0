"""Ground truth as maps, a class or a segment for each pixel, which are read a photo at a time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Integer, UInt32
from PIL import Image

from segmentation.data.formats import pillow_silenced

IGNORE = 255  # class of pixels that do not count
Map = TypeVar("Map")
ClassMap = Integer[np.ndarray, "height width"]


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set. What the metrics call a class is its place in this list.

    Attributes:
        names: names of the classes, each once.
        is_thing: whether each class has instances.
        place_of: place of the class by its id in the data set's own files; several ids may be one class, and other ids
            are of no class.

    Raises:
        ValueError: lists of different lengths, a name that is there twice, or a place that there is not.

    Example:
        >>> classes = ClassList(("sky", "car"), (False, True), {23: 0, 26: 1, 27: 1})
        >>> len(classes), classes.place_of.get(27), classes.place_of.get(0), classes.things
        (2, 1, None, (1,))
    """

    names: tuple[str, ...]
    is_thing: tuple[bool, ...]
    place_of: Mapping[int, int]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.is_thing):
            raise ValueError(f"'is_thing' must be of the {len(self.names)} classes, got {len(self.is_thing)}")
        twice = [name for name, number in Counter(self.names).items() if number > 1]
        if twice:
            raise ValueError(f"'names' must have each class once, got {twice[0]!r} twice")
        strange = sorted(set(self.place_of.values()) - set(range(len(self.names))))
        if strange:
            raise ValueError(f"'place_of' must hold places in the {len(self.names)} names, got {strange[0]}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def things(self) -> tuple[int, ...]:
        """Places of the classes with instances."""
        return tuple(place for place, is_thing in enumerate(self.is_thing) if is_thing)


class TruthSegment(NamedTuple):
    """A segment of the ground truth.

    Attributes:
        id: value in the map, from 1.
        category: id of the category.
        is_crowd: whether it is a group of things that nobody told apart, which is never matched and never missed.
    """

    id: int
    category: int
    is_crowd: bool = False


class TrueSegments(NamedTuple):
    """The segments of a photo's ground truth.

    Attributes:
        ids: segment of each pixel, 0 for void.
        segments: segments by whose ids the map is drawn; a category is the place of its class.
    """

    ids: Integer[np.ndarray, "height width"]
    segments: list[TruthSegment]


@dataclass(frozen=True)
class MappedPhoto(Generic[Map]):
    """A photo whose ground truth is read when it is needed.

    Attributes:
        name: file name of the photo.
        image_id: id by which predictions may call the photo.
        read: function that reads the map; it can be pickled.
    """

    name: str
    image_id: int | str
    read: Callable[[], Map]


@dataclass(frozen=True)
class SemanticTruth:
    """The class maps of a data set.

    Attributes:
        classes: classes of the data set.
        photos: photos in the order of their names, which read the class of each pixel, ``IGNORE`` where it does not
            count.
        key: function that brings the names of photos and of predicted maps, without suffix, to one form.
    """

    classes: ClassList
    photos: Sequence[MappedPhoto[ClassMap]]
    key: Callable[[str], str] = str


@dataclass(frozen=True)
class PanopticTruth:
    """The segments of a data set.

    Attributes:
        classes: classes of the data set.
        photos: photos in the order of their names, which read their segments.
    """

    classes: ClassList
    photos: Sequence[MappedPhoto[TrueSegments]]


def label_maps(classes: ClassList, files: Mapping[str, Path], key: Callable[[str], str] = str) -> SemanticTruth:
    """Makes ground truth of PNGs whose grey values, or palette indices, are the ids of classes.

    Args:
        classes: classes of the data set.
        files: file of each photo, by the photo's name.
        key: see :class:`SemanticTruth`.
    """
    photos = [MappedPhoto(name, name, partial(read_labels, file, classes)) for name, file in files.items()]
    return SemanticTruth(classes, photos, key)


def read_labels(file: Path, classes: ClassList) -> ClassMap:
    """Reads the class of each pixel from a PNG of labels.

    Raises:
        ValueError: a file that cannot be read, or has no labels of 8 bits.
    """
    labels = read_png(file)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(f"{file} must have labels of 8 bits, got {labels.dtype} {list(labels.shape)}")
    class_of = np.full(256, IGNORE, dtype=np.uint8)
    class_of[list(classes.place_of)] = list(classes.place_of.values())
    return class_of[labels]


def read_png(file: Path) -> np.ndarray:
    """Reads the values of a picture as they are stored: grey values of 8 or 16 bits, palette indices, or colours.

    Raises:
        ValueError: a file that is missing or cannot be read; the message names it.
    """
    try:
        with pillow_silenced(), Image.open(file) as image:
            values = np.array(image)
    except Exception as error:  # damaged files make Pillow raise errors of nearly every type
        raise ValueError(f"{file} must be a picture, but cannot be read: {type(error).__name__} {error}") from error
    if values.dtype == np.int32 and values.size and values.min() >= 0 and values.max() < 2**16:  # of 16 bits
        return values.astype(np.uint16)
    return values.astype(np.uint8) if values.dtype == bool else values


def read_ids(file: Path) -> UInt32[np.ndarray, "height width"]:
    """Reads the segment of each pixel: R + 256 G + 65536 B.

    Raises:
        ValueError: a file that cannot be read, or has no colours of 8 bits.
    """
    colours = read_png(file)
    if colours.ndim != 3 or colours.shape[2] < 3 or colours.dtype != np.uint8:
        raise ValueError(f"{file} must be a picture in RGB, got {colours.dtype} {list(colours.shape)}")
    ids = colours[..., 2].astype(np.uint32)
    for channel in (1, 0):
        ids <<= 8
        ids |= colours[..., channel]
    return ids
