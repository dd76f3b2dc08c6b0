"""Serves the views of files and generated scenes as a data set to train on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset

from graphpool.checks import check_count, describe
from segmentation.config.training import ViewSettings
from segmentation.data.formats import PhotoError
from segmentation.data.photos import PhotoFile
from segmentation.data.views import Sample, make_views
from segmentation.scene_generator.scene import make_scene


class ScenePhoto(NamedTuple):
    """The photo of a generated scene.

    Attributes:
        number, seed, size: arguments of :func:`~segmentation.scene_generator.scene.make_scene`.

    Example:
        >>> ScenePhoto(3, seed=0, size=128).read().shape
        (128, 128, 3)
    """

    number: int
    seed: int
    size: int

    @property
    def name(self) -> str:
        """Name of the scene in the log."""
        return f"scene-{self.number:06d}"

    def read(self) -> NDArray[np.uint8]:
        """Makes the scene."""
        return make_scene(self.number, seed=self.seed, size=self.size).photo


TrainingPhoto = PhotoFile | ScenePhoto


class TrainingPhotos(Dataset[Sample]):
    """A data set of the views of photos from several sources, one source after the other.

    An item is asked for by epoch and index, as :class:`~segmentation.data.order.SampleOrder` gives them: the views of
    a photo depend on the seed, its epoch and its index only. A photo that cannot be read is replaced by the next one
    that can, going on with the first after the last.

    Args:
        sources: photos of each source.
        views: settings of the views.
        seed: seed of the views.
        fixed_views: number of different view sets per photo, which are kept in memory; 0 makes new ones in every epoch.

    Raises:
        TypeError, ValueError: no photos, or a number below 0.

    Example:
        >>> views = ViewSettings(size=64, crop="square", local_views=2, local_size=32)
        >>> photos = TrainingPhotos([[ScenePhoto(number, seed=0, size=128) for number in range(10)]], views, seed=0)
        >>> photos[0, 7].name
        'scene-000007'
    """

    def __init__(
        self, sources: Sequence[Sequence[TrainingPhoto]], views: ViewSettings, seed: int, fixed_views: int = 0
    ) -> None:
        self.seed = check_count("seed", seed, 0)
        self.fixed_views = check_count("fixed_views", fixed_views, 0)
        if not any(map(len, sources)):
            raise ValueError("'sources' must hold photos, got none")
        self.photos: ConcatDataset[TrainingPhoto] = ConcatDataset(sources)  # type: ignore[arg-type]
        self.views = views
        self._samples: dict[tuple[int, int], Sample] = {}

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        """Returns the sample of an epoch and an index, both from 0.

        Its ``index`` is the one that was asked for, its ``name`` that of the photo that it shows.

        Raises:
            TypeError: no pair of ints.
            IndexError: no such photo.
            ValueError: none of the photos can be read.
        """
        if not isinstance(item, tuple) or len(item) != 2:
            raise TypeError(f"'item' must be a pair (epoch, index), got {describe(item)}")
        epoch, index = item
        check_count("epoch", epoch, 0)
        check_count("index", index, 0)
        if index >= len(self):
            raise IndexError(f"'index' must be below the number of photos, {len(self)}, got {index}")
        view_set = epoch % self.fixed_views if self.fixed_views else epoch
        if (view_set, index) in self._samples:
            return self._samples[view_set, index]
        pixels, name, skipped = self._readable(index)
        seed_key = (self.seed, view_set, index)
        sample = make_views(pixels, self.views, index=index, name=name, seed_key=seed_key)._replace(skipped=skipped)
        if self.fixed_views:
            self._samples[view_set, index] = sample
        return sample

    def _readable(self, index: int) -> tuple[NDArray[np.uint8], str, tuple[str, ...]]:
        """Returns the pixels and name of the first photo from ``index`` on that can be read, and those skipped."""
        skipped: list[str] = []
        for offset in range(len(self)):
            photo = self.photos[(index + offset) % len(self)]
            try:
                return photo.read(), photo.name, tuple(skipped)
            except PhotoError as error:
                skipped.append(f"{photo.name}: {error.reason}")
        raise ValueError(f"no photo could be read, of {len(self)}; the first: {skipped[0]}")
