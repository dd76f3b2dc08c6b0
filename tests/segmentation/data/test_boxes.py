"""Views show what their boxes say."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from segmentation.config.training import ViewSettings
from segmentation.data.views import Sample, ViewGroup, make_views

PLAIN = {"jitter": 0.0, "grey": 0.0, "blur": 0.0}


def coordinates(height: int, width: int) -> NDArray[np.uint8]:
    """A photo whose red is the column and whose green is the row of a pixel."""
    photo = np.zeros((height, width, 3), np.uint8)
    photo[..., 0] = np.arange(width)
    photo[..., 1] = np.arange(height)[:, None]
    return photo


def sample(photo: NDArray[np.uint8], settings: ViewSettings, number: int) -> Sample:
    return make_views(photo, settings, index=number, name="coordinates", seed_key=(3, number))


def shown(view: Tensor) -> tuple[Tensor, Tensor]:
    """The photo's x of each column and y of each row of a view, continuous."""
    return view[0].float().mean(0) + 0.5, view[1].float().mean(1) + 0.5


def expected(start: float, end: float, side: int, flip: bool = False) -> Tensor:
    centres = start + (torch.arange(side) + 0.5) / side * (end - start)
    return centres.flip(0) if flip else centres


def check(views: ViewGroup, region: tuple[float, float, float, float], size: int, photo: NDArray[np.uint8]) -> None:
    side = views.pixels.size(-1)
    across, down = (region[2] - region[0]) / size, (region[3] - region[1]) / size
    for pixels, box, flip in zip(views.pixels, views.boxes.tolist(), views.flips.tolist(), strict=True):
        x = expected(region[0] + box[0] * across, region[0] + box[2] * across, side, flip)
        y = expected(region[1] + box[1] * down, region[1] + box[3] * down, side)
        for found, wanted, length in zip(shown(pixels), (x, y), photo.shape[1::-1], strict=True):
            inner = (wanted > 8) & (wanted < length - 8)  # the ramp ends at the photo's border
            assert inner.sum() > side / 2
            error = (found - wanted)[inner]  # in the photo's pixels
            assert error.abs().max() < 0.51  # 8 bits hold whole coordinates
            assert error.mean().abs() < 0.27  # where every second column shows a half, all of them are rounded up


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(256, 256), (150, 231), (240, 97)])
def test_squashed_photo(shape: tuple[int, int], flip: float) -> None:
    photo = coordinates(*shape)
    settings = ViewSettings(80, "squash", 3, 48, min_area=0.2, flip=flip, global_views=2, **PLAIN)
    for number in range(8):
        made = sample(photo, settings, number)
        for views in made.views:
            check(views, (0, 0, shape[1], shape[0]), 80, photo)
            assert flip == 0.5 or (views.flips == bool(flip)).all()


@pytest.mark.parametrize("shape", [(130, 250), (250, 130), (200, 200)])
def test_square_of_the_shorter_side(shape: tuple[int, int]) -> None:
    photo = coordinates(*shape)
    side = min(shape)
    settings = ViewSettings(64, "square", 4, 40, min_area=0.15, global_views=1, **PLAIN)
    starts = []
    for number in range(8):
        made = sample(photo, settings, number)
        x, y = shown(made.global_view)
        left, top = (round(float(line[32:].mean() + line[:32].mean()) / 2 - side / 2) for line in (x, y))
        starts.append((left, top))
        for views in made.views:
            check(views, (left, top, left + side, top + side), 64, photo)
    assert all(0 <= left <= shape[1] - side and 0 <= top <= shape[0] - side for left, top in starts)
    assert (len(set(starts)) == 1) == (shape[0] == shape[1])


def test_local_views_show_more_detail_than_the_global_view() -> None:
    photo = np.zeros((512, 512, 3), np.uint8)
    photo[:, ::4] = photo[:, 1::4] = 255
    made = sample(photo, ViewSettings(64, "square", 4, 64, max_area=0.06, **PLAIN), 0)
    assert made.global_view.float().std() < 5
    assert (made.views[0].pixels.float().std((1, 2, 3)) > 50).all()


def test_areas_aspects_and_places() -> None:
    photo = coordinates(64, 64)
    settings = ViewSettings(50, "square", 8, 4, min_area=0.1, max_area=0.4, min_aspect=0.5)
    boxes = torch.cat([sample(photo, settings, number).views[0].boxes for number in range(150)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, aspect = width * height / 50**2, width / height
    assert boxes.min() >= 0
    assert boxes.max() <= 50
    assert 0.1 - 1e-5 <= area.min() < 0.11
    assert 0.39 < area.max() <= 0.4 + 1e-5
    assert area.mean() == pytest.approx(0.25, abs=0.02)
    assert 0.5 - 1e-4 <= aspect.min() < 0.55
    assert 1.8 < aspect.max() <= 2 + 1e-4
    assert aspect.log().mean() == pytest.approx(0, abs=0.05)
    assert ((boxes[:, 0] + boxes[:, 2]) / 2).mean() == pytest.approx(25, abs=1)


def test_boxes_of_the_whole_area_fit() -> None:
    photo = coordinates(40, 30)
    settings = ViewSettings(32, "squash", 6, 16, min_area=0.9, max_area=1.0, min_aspect=0.1)
    for number in range(30):
        boxes = sample(photo, settings, number).views[0].boxes
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1) / 32**2
        assert boxes.min() >= 0
        assert boxes.max() <= 32
        assert area.min() > 0.9 - 1e-5
