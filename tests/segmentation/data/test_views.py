import numpy as np
import pytest
import torch

from segmentation.config.training import ViewSettings
from segmentation.data.views import Sample, make_views
from segmentation.scene_generator.scene import make_scene

PHOTO = make_scene(0, seed=1, size=96).photo
SETTINGS = ViewSettings(size=64, crop="square", local_views=3, local_size=32, global_views=2)


def same(first: Sample, second: Sample) -> bool:
    return (
        first.key == second.key
        and torch.equal(first.global_view, second.global_view)
        and all(
            all(torch.equal(one, other) for one, other in zip(*views, strict=True))
            for views in zip(first.views, second.views, strict=True)
        )
    )


def sample_of(*seed_key: int, settings: ViewSettings = SETTINGS) -> Sample:
    return make_views(PHOTO, settings, index=4, name="scene", seed_key=seed_key)


def test_what_a_sample_holds() -> None:
    sample = sample_of(0, 1, 2)
    assert (sample.index, sample.name, sample.skipped) == (4, "scene", ())
    assert 0 <= sample.key < 2**63
    assert sample.global_view.shape == (3, 64, 64)
    whole, local = sample.views
    assert whole.pixels.shape == (2, 3, 64, 64)
    assert local.pixels.shape == (3, 3, 32, 32)
    assert whole.boxes.tolist() == [[0, 0, 64, 64]] * 2
    for pixels in (sample.global_view, whole.pixels, local.pixels):
        assert pixels.dtype == torch.uint8
        assert pixels.min() < pixels.max()


def test_groups_that_are_asked_for() -> None:
    assert [views.pixels.size(-1) for views in sample_of(0, settings=ViewSettings(64, "square", 2, 32)).views] == [32]
    only_whole = ViewSettings(64, "square", 0, 32, global_views=1)
    assert [views.pixels.size(-1) for views in sample_of(0, settings=only_whole).views] == [64]


def test_the_seed_key_decides_all() -> None:
    torch.manual_seed(1)
    first = sample_of(0, 1, 2)
    torch.manual_seed(2)
    assert same(first, sample_of(0, 1, 2))
    others = [sample_of(0, 1, 3), sample_of(0, 2, 2), sample_of(1, 1, 2), sample_of(2, 1, 0)]
    assert len({first.key, *(other.key for other in others)}) == 5
    assert not any(torch.equal(first.views[1].boxes, other.views[1].boxes) for other in others)


def test_the_photo_stays_as_it_is() -> None:
    before = PHOTO.copy()
    read_only = PHOTO.copy()
    read_only.flags.writeable = False
    make_views(read_only, SETTINGS, index=0, name="", seed_key=(0,))
    sample_of(0)
    assert np.array_equal(PHOTO, before)


def test_the_global_view_keeps_its_colours() -> None:
    changed = ViewSettings(96, "square", 1, 32, flip=1, jitter=1, grey=1, blur=1)
    sample = sample_of(0, settings=changed)
    assert torch.equal(sample.global_view, torch.from_numpy(PHOTO).permute(2, 0, 1))


def test_flips_are_as_frequent_as_asked() -> None:
    settings = ViewSettings(16, "square", 8, 8, flip=0.25)
    flips = torch.cat([sample_of(number, settings=settings).views[0].flips for number in range(100)])
    assert flips.float().mean() == pytest.approx(0.25, abs=0.06)


def test_tiny_photos() -> None:
    for shape in ((1, 1, 3), (1, 7, 3), (9, 2, 3)):
        for crop in ("square", "squash"):
            settings = ViewSettings(64, crop, 4, 32, global_views=1)
            sample = make_views(np.full(shape, 200, np.uint8), settings, index=0, name="", seed_key=(0,))
            assert torch.equal(sample.global_view, torch.full((3, 64, 64), 200, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "'size' must be at least 1, got 0"),
        ({"crop": "middle"}, "'crop' must be one of 'square', 'squash', got 'middle'"),
        ({"local_views": -1}, "'local_views' must be at least 0"),
        ({"local_size": 65}, r"'local_size' must be at most 'size' \(64\), got 65"),
        ({"min_area": 0.0}, r"'min_area' must be in \(0, 1\]"),
        ({"max_area": 1.01}, r"'max_area' must be in \(0, 1\], got 1.01"),
        ({"min_area": 0.5}, r"'min_area' must be at most 'max_area' \(0.4\), got 0.5"),
        ({"min_aspect": 1.5}, r"'min_aspect' must be in \(0, 1\]"),
        ({"flip": 1.5}, r"'flip' must be in \[0, 1\]"),
        ({"blur": -0.1}, r"'blur' must be in \[0, 1\]"),
        ({"local_views": 0, "global_views": 0}, "'local_views' and 'global_views' must not both be 0"),
    ],
)
def test_refused_settings(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViewSettings(**{"size": 64, "crop": "square", "local_views": 2, "local_size": 32, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "photo", [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8)]
)
def test_refused_shapes(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"'photo' must have the shape \[H, W, 3\] and pixels"):
        make_views(photo, SETTINGS, index=0, name="", seed_key=(0,))


@pytest.mark.usefixtures("as_users_call_it")
def test_refused_types() -> None:
    for photo in (np.zeros((4, 4, 3)), [[0]]):
        with pytest.raises(TypeError, match="'photo' must be a uint8 array"):
            make_views(photo, SETTINGS, index=0, name="", seed_key=(0,))  # type: ignore[arg-type]
