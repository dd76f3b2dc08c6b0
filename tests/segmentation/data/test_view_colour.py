"""Compares the changes of colours with torchvision's and Pillow's."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from segmentation.data.views import _turn_hue, change_colours
from segmentation.scene_generator.scene import make_scene

PHOTO = Image.fromarray(make_scene(0, seed=1).photo)
RNG = np.random.default_rng


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=float)


def test_nothing_changes_at_probability_zero() -> None:
    assert np.array_equal(pixels(change_colours(PHOTO, RNG(0), jitter=0, grey=0, blur=0)), pixels(PHOTO))


@pytest.mark.parametrize("seed", range(12))
def test_jitter(seed: int) -> None:
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    changed = change_colours(PHOTO, RNG(seed), jitter=1, grey=0, blur=0)
    rng = RNG(seed)
    rng.random()
    strengths = rng.uniform(-1, 1, 4)
    expected = torch.from_numpy(np.array(PHOTO)).permute(2, 0, 1).float() / 255
    for change in rng.permutation(4):
        name, reach, base = (("brightness", 0.4, 1), ("contrast", 0.4, 1), ("saturation", 0.2, 1), ("hue", 0.1, 0))[
            change
        ]
        expected = getattr(functional, f"adjust_{name}")(expected, base + reach * float(strengths[change]))
    distance = np.abs(pixels(changed) - expected.permute(1, 2, 0).numpy() * 255)
    assert distance.mean() < 2.5  # 8 bits after each change, and 256 hues


def test_grey() -> None:
    grey = pixels(change_colours(PHOTO, RNG(0), jitter=0, grey=1, blur=0))
    expected = pixels(PHOTO) @ [0.299, 0.587, 0.114]
    assert np.abs(grey - expected[..., None]).max() <= 1


def test_blur_grows_with_the_view() -> None:
    for side in (112, 448):
        view = PHOTO.resize((side, side))
        rng = RNG(3)
        rng.random(3)
        radius = rng.uniform(0.1, 2) * side / 224
        expected = view.filter(ImageFilter.GaussianBlur(radius))
        assert np.array_equal(pixels(change_colours(view, RNG(3), jitter=0, grey=0, blur=1)), pixels(expected))


def test_hue_turns_the_circle() -> None:
    red = Image.new("RGB", (2, 2), "red")
    for turns, colour in ((1 / 3, (0, 255, 0)), (-1 / 3, (0, 0, 255)), (0.5, (0, 255, 255)), (1, (255, 0, 0))):
        turned = _turn_hue(red, turns).getpixel((0, 0))
        assert np.abs(np.subtract(turned, colour)).max() <= 6


def test_probabilities() -> None:
    photo = PHOTO.resize((8, 8))
    changes = [change_colours(photo, RNG(seed), jitter=0, grey=0.3, blur=0) for seed in range(400)]
    assert np.mean([not np.array_equal(pixels(view), pixels(photo)) for view in changes]) == pytest.approx(
        0.3, abs=0.07
    )
