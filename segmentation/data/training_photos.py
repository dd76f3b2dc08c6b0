"""The photos that are learned from, of one or several sources."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from graphpool.checks import check_count, describe
from segmentation.config.views import ViewSettings
from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
from segmentation.data.photos import PhotoFile
from segmentation.data.views import Sample, make_views
from segmentation.scenes.scene import make_scene


@runtime_checkable
class PhotoSource(Protocol):
    """Numbered photos, each with a name."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, index: int) -> NDArray[np.uint8]:
        """One photo, ``[H, W, 3]``, sRGB; :class:`~segmentation.data.formats.PhotoError` where there is none."""
        ...

    def name(self, index: int) -> str:
        """What it is called."""
        ...


@dataclass(frozen=True)
class PhotoFolder:
    """Photos in files, decoded when they are needed.

    Attributes:
        photos: the files, as :func:`~segmentation.data.photos.find_photos` finds them.
    """

    photos: Sequence[PhotoFile]

    def __len__(self) -> int:
        return len(self.photos)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Decodes one photo."""
        return read_photo(self.photos[index].path)

    def name(self, index: int) -> str:
        """The file's name in the run."""
        return self.photos[index].name


@dataclass(frozen=True)
class SceneSource:
    """Generated scenes, made when they are needed.

    Attributes:
        number: how many.
        seed: of :func:`~segmentation.scenes.scene.make_scene`.
        size: side of a scene, in pixels.

    Example:
        >>> SceneSource(10).read(3).shape
        (128, 128, 3)
    """

    number: int
    seed: int = 0
    size: int = 128

    def __post_init__(self) -> None:
        check_count("number", self.number, 1)

    def __len__(self) -> int:
        return self.number

    def read(self, index: int) -> NDArray[np.uint8]:
        """Makes one scene."""
        return make_scene(index, seed=self.seed, size=self.size).photo

    def name(self, index: int) -> str:
        """Its number."""
        return f"scene-{index:06d}"


class TrainingPhotos(Dataset[Sample]):
    """Views of the photos of some sources, one source after the other.

    An item is asked for by epoch and index, as :class:`~segmentation.data.order.SampleOrder` gives them: the
    views of a photo follow from the seed, its epoch and its index, whoever makes them and whatever was made before.

    A photo that cannot be read is replaced by the next one that can, beginning again after the last.

    Args:
        sources: where the photos come from.
        views: what is cut from them.
        seed: of the views.
        fixed_views: after so many epochs the same views come again, and are remembered; 0 for new ones in every epoch.

    Raises:
        TypeError, ValueError: no photos, or a number below 0.

    Example:
        >>> views = ViewSettings(size=64, crop="square", local_views=2, local_size=32)
        >>> photos = TrainingPhotos([SceneSource(10)], views, seed=0)
        >>> photos[0, 7].name
        'scene-000007'
    """

    def __init__(self, sources: Sequence[PhotoSource], views: ViewSettings, seed: int, fixed_views: int = 0) -> None:
        self.seed = check_count("seed", seed, 0)
        self.fixed_views = check_count("fixed_views", fixed_views, 0)
        self.sources = tuple(sources)
        self.views = views
        self._known: dict[tuple[int, int], Sample] = {}
        self._ends = list(accumulate(len(source) for source in self.sources))
        if not len(self):
            raise ValueError("'sources' must hold photos, got none")

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, place: tuple[int, int]) -> Sample:
        """The sample of an epoch and an index from 0.

        Its ``index`` is the one that was asked for, its ``name`` that of the photo that it shows.

        Raises:
            TypeError: no pair of ints.
            IndexError: no such photo.
            ValueError: none of the photos can be read.
        """
        if not isinstance(place, tuple) or len(place) != 2:
            raise TypeError(f"'place' must be a pair (epoch, index), got {describe(place)}")
        epoch, index = place
        check_count("epoch", epoch, 0)
        check_count("index", index, 0)
        if index >= len(self):
            raise IndexError(f"'index' must be below the number of photos, {len(self)}, got {index}")
        fixed = epoch % self.fixed_views if self.fixed_views else epoch
        if (fixed, index) in self._known:
            return self._known[fixed, index]
        photo, name, skipped = self._readable(index)
        seed_key = (self.seed, fixed, index)
        sample = make_views(photo, self.views, index=index, name=name, seed_key=seed_key)._replace(skipped=skipped)
        if self.fixed_views:
            self._known[fixed, index] = sample
        return sample

    def _readable(self, index: int) -> tuple[NDArray[np.uint8], str, tuple[str, ...]]:
        """The photo, or the next one that can be read; its name; and those before it."""
        skipped: list[str] = []
        for offset in range(len(self)):
            source, inside = self._locate((index + offset) % len(self))
            try:
                return source.read(inside), source.name(inside), tuple(skipped)
            except PhotoError as error:
                skipped.append(f"{source.name(inside)}: {error.reason}")
        raise ValueError(f"no photo could be read, of {len(self)}; the first: {skipped[0]}")

    def _locate(self, index: int) -> tuple[PhotoSource, int]:
        number = bisect_right(self._ends, index)
        return self.sources[number], index - (self._ends[number - 1] if number else 0)
