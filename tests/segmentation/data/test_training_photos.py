from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader

from segmentation.config.training import ViewSettings
from segmentation.data.formats import PhotoError
from segmentation.data.order import SampleOrder
from segmentation.data.photos import PhotoFile, PhotoList, find_photos
from segmentation.data.training_photos import ScenePhoto, TrainingPhotos
from segmentation.data.views import Sample, make_views
from segmentation.scene_generator.scene import make_scene

VIEWS = ViewSettings(size=32, crop="square", local_views=2, local_size=16)


@pytest.fixture
def folder(tmp_path: Path) -> PhotoList:
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.png")):
        Image.fromarray(make_scene(number, size=40).photo).save(tmp_path / name)
    return find_photos([tmp_path])


class BrokenPhoto(PhotoFile):
    def read(self) -> NDArray[np.uint8]:
        raise PhotoError(f"broken {self.stem}")


BROKEN = [BrokenPhoto(Path(), f"photo {number}", str(number)) for number in range(3)]


def scenes(count: int, seed: int = 0, size: int = 128) -> list[ScenePhoto]:
    return [ScenePhoto(number, seed, size) for number in range(count)]


def first(samples: list[Sample]) -> Sample:
    return samples[0]


def same_views(one: Sample, other: Sample) -> bool:
    return one.key == other.key and torch.equal(one.views[0].pixels, other.views[0].pixels)


def test_sources_one_after_the_other(folder: PhotoList) -> None:
    photos = TrainingPhotos([scenes(3, seed=2, size=40), folder], VIEWS, seed=5)
    assert len(photos) == 7
    names = [photos[0, index].name for index in range(7)]
    assert names == ["scene-000000", "scene-000001", "scene-000002", "a.png", "b.png", "c.png", "d.png"]
    for index, photo in ((1, make_scene(1, seed=2, size=40).photo), (5, make_scene(2, size=40).photo)):
        expected = make_views(photo, VIEWS, index=index, name=names[index], seed_key=(5, 4, index))
        found = photos[4, index]
        assert (found.index, found.name, found.skipped) == (index, names[index], ())
        assert torch.equal(found.global_view, expected.global_view)
        assert same_views(found, expected)


def test_views_are_new_in_every_epoch_unless_fixed() -> None:
    free, fixed = (TrainingPhotos([scenes(4)], VIEWS, seed=0, fixed_views=number) for number in (0, 2))
    assert not same_views(free[0, 1], free[2, 1])
    assert not same_views(fixed[0, 1], fixed[1, 1])
    assert same_views(fixed[0, 1], fixed[2, 1])
    assert same_views(fixed[1, 1], fixed[3, 1])


def test_an_unreadable_photo_is_replaced_by_the_next(folder: PhotoList) -> None:
    for name in ("b.png", "c.png"):
        (folder[0].path.parent / name).write_bytes(b"")
    photos = TrainingPhotos([folder], VIEWS, seed=0)
    sample = photos[0, 1]
    assert (sample.index, sample.name) == (1, "d.png")
    assert sample.skipped == ("b.png: empty file", "c.png: empty file")
    assert not same_views(sample, photos[0, 2])  # views of its own
    assert same_views(sample, photos[0, 1])


def test_the_search_begins_again_after_the_last(folder: PhotoList) -> None:
    folder[3].path.unlink()
    sample = TrainingPhotos([folder], VIEWS, seed=0)[0, 3]
    assert sample.name == "a.png"
    assert sample.skipped[0].startswith("d.png: cannot be read")
    across = TrainingPhotos([BROKEN, scenes(2)], VIEWS, seed=0)[0, 2]
    assert (across.name, across.skipped) == ("scene-000000", ("photo 2: broken 2",))


def test_no_photo_can_be_read() -> None:
    with pytest.raises(ValueError, match="no photo could be read, of 3; the first: photo 1: broken 1"):
        TrainingPhotos([BROKEN], VIEWS, seed=0)[0, 1]


def test_worker_processes_give_the_same(folder: PhotoList) -> None:
    photos = TrainingPhotos([folder, scenes(3)], VIEWS, seed=1)
    items = SampleOrder([4, 3], None, seed=0).batch(0, 6)
    loader = DataLoader(photos, batch_size=1, sampler=items, num_workers=1, collate_fn=first)  # type: ignore[arg-type]
    for item, sample in zip(items, loader, strict=True):
        assert sample.index == item[1]
        assert same_views(sample, photos[item])


def test_refusals() -> None:
    photos = TrainingPhotos([scenes(3)], VIEWS, seed=0)
    with pytest.raises(IndexError, match="'index' must be below the number of photos, 3, got 3"):
        photos[0, 3]
    with pytest.raises(ValueError, match="'index' must be at least 0, got -1"):
        photos[0, -1]
    with pytest.raises(ValueError, match="'sources' must hold photos, got none"):
        TrainingPhotos([], VIEWS, seed=0)
    with pytest.raises(ValueError, match="'fixed_views' must be at least 0"):
        TrainingPhotos([scenes(3)], VIEWS, seed=0, fixed_views=-1)
    with pytest.raises(ValueError, match="'sources' must hold photos, got none"):
        TrainingPhotos([scenes(0), []], VIEWS, seed=0)


@pytest.mark.usefixtures("as_users_call_it")
def test_an_index_alone_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'item' must be a pair \(epoch, index\), got int 0"):
        TrainingPhotos([scenes(3)], VIEWS, seed=0)[0]  # type: ignore[index]
