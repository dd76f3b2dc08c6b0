"""Crops the views that teacher and student see of a photo, and changes the colours of the student's."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from graphpool.checks import describe
from segmentation.config.training import ViewSettings

Box = tuple[float, float, float, float]
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = 0.4, 0.4, 0.2, 0.1
_BLUR = (0.1, 2.0)  # radius in pixels of a view of
_BLUR_SIDE = 224  # pixels a side


class ViewGroup(NamedTuple):
    """The student's views of one size.

    Attributes:
        pixels: ``[V, 3, s, s]``, RGB, uint8.
        boxes: ``[V, 4]``, x0, y0, x1, y1 of what each view shows, in pixels of the global view (continuous: 0 is the
            outer edge of the first pixel, ``size`` that of the last).
        flips: ``[V]``, whether a view is mirrored: its left edge then shows x1.
    """

    pixels: UInt8[Tensor, "views 3 side side"]
    boxes: Float[Tensor, "views 4"]
    flips: Bool[Tensor, "views"]


class Sample(NamedTuple):
    """The views of one photo.

    Attributes:
        index: index of the photo in its data set.
        name: name of the photo.
        key: random number of 63 bits that later draws for this sample start from.
        global_view: the teacher's view, ``[3, size, size]``, RGB, uint8.
        views: the student's views by size: those of the whole global view if there are any, then the local ones.
        skipped: photos that could not be read and that this one replaces, ``"name: reason"``.
    """

    index: int  # type: ignore[assignment]  # which tuple has as a method
    name: str
    key: int
    global_view: UInt8[Tensor, "3 size size"]
    views: tuple[ViewGroup, ...]
    skipped: tuple[str, ...] = ()


def make_views(
    photo: NDArray[np.uint8], settings: ViewSettings, *, index: int, name: str, seed_key: Sequence[int]
) -> Sample:
    """Crops the global view and the student's views from a photo.

    Local views are cropped from the photo itself, so that they show more detail than the global view. Their area is
    uniform between its bounds, their aspect ratio log-uniform among those that fit, their position uniform. The
    global view keeps its colours and is not mirrored; the student's views are mirrored at random, and change their
    colours as in DINO (Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers).

    Args:
        photo: ``[H, W, 3]``, uint8, sRGB.
        settings: sizes, numbers and probabilities of the views.
        index, name: index and name of the photo, kept in the sample.
        seed_key: numbers from 0 that seed all that is random.

    Returns:
        The sample; bit for bit the same for the same arguments.

    Raises:
        TypeError, ValueError: ``photo`` is no uint8 array ``[H, W, 3]`` with pixels.

    Example:
        >>> settings = ViewSettings(size=64, crop="squash", local_views=2, local_size=32)
        >>> sample = make_views(np.zeros((90, 120, 3), np.uint8), settings, index=0, name="black", seed_key=(0, 0))
        >>> sample.global_view.shape, sample.views[0].pixels.shape
        (torch.Size([3, 64, 64]), torch.Size([2, 3, 32, 32]))
    """
    if not isinstance(photo, np.ndarray) or photo.dtype != np.uint8:
        raise TypeError(f"'photo' must be a uint8 array, got {getattr(photo, 'dtype', None) or describe(photo)}")
    if photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise ValueError(f"'photo' must have the shape [H, W, 3] and pixels, got {list(photo.shape)}")
    rng = np.random.default_rng(np.random.SeedSequence(list(seed_key)))
    key = int(rng.integers(2**63))
    image = Image.fromarray(photo)
    region = _global_region(image, settings, rng)
    size, side = settings.size, settings.local_size
    global_view = image.resize((size, size), Image.Resampling.BICUBIC, box=region)
    groups = []
    if count := settings.global_views:
        groups.append(_view_group([global_view] * count, [(0.0, 0.0, float(size), float(size))] * count, settings, rng))
    if settings.local_views:
        boxes = [_random_box(settings, rng) for _ in range(settings.local_views)]
        regions = [_in_photo(box, region, size) for box in boxes]
        crops = [image.resize((side, side), Image.Resampling.BICUBIC, box=region) for region in regions]
        groups.append(_view_group(crops, boxes, settings, rng))
    return Sample(index, name, key, torch.from_numpy(_channels_first(global_view)), tuple(groups))


def _global_region(image: Image.Image, settings: ViewSettings, rng: np.random.Generator) -> Box:
    """Chooses the part of the photo that the global view shows, in pixels of the photo."""
    width, height = image.size
    if settings.crop == "squash":
        return 0, 0, width, height
    side = min(width, height)
    left, top = (int(rng.integers(length - side + 1)) for length in (width, height))
    return left, top, left + side, top + side


def _random_box(settings: ViewSettings, rng: np.random.Generator) -> Box:
    """Draws a box in pixels of the global view, of numbers that fp32 holds."""
    area = rng.uniform(settings.min_area, settings.max_area)
    # between area and 1 / area both sides fit
    aspect = math.exp(rng.uniform(-1, 1) * min(math.log(1 / settings.min_aspect), math.log(1 / area)))
    ends = []
    for share in (math.sqrt(area * aspect), math.sqrt(area / aspect)):
        length = min(share, 1.0) * settings.size
        start = rng.uniform(0, settings.size - length)
        ends.append((float(np.float32(start)), float(np.float32(min(start + length, settings.size)))))
    (left, right), (top, bottom) = ends
    return left, top, right, bottom


def _in_photo(box: Box, region: Box, size: int) -> Box:
    """Converts a box from pixels of the global view to pixels of the photo."""
    left, top, right, bottom = region
    across, down = (right - left) / size, (bottom - top) / size
    end_x, end_y = left + box[2] * across, top + box[3] * down
    return left + box[0] * across, top + box[1] * down, min(end_x, right), min(end_y, bottom)  # despite rounding


def _view_group(
    crops: Sequence[Image.Image], boxes: Sequence[Box], settings: ViewSettings, rng: np.random.Generator
) -> ViewGroup:
    pixels, flips = [], []
    for view in crops:
        flips.append(rng.random() < settings.flip)
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flips[-1] else view
        view = change_colours(view, rng, jitter=settings.jitter, grey=settings.grey, blur=settings.blur)
        pixels.append(_channels_first(view))
    return ViewGroup(torch.from_numpy(np.stack(pixels)), torch.tensor(boxes, dtype=torch.float32), torch.tensor(flips))


def _channels_first(image: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.array(image).transpose(2, 0, 1))


def change_colours(
    view: Image.Image, rng: np.random.Generator, *, jitter: float, grey: float, blur: float
) -> Image.Image:
    """Applies colour jitter, greyscale and Gaussian blur, each with its own probability.

    As in DINO (Caron et al. 2021): brightness and contrast change by up to 40 %, saturation by up to 20 % and the hue
    by up to a tenth of the circle, in random order; the radius of the blur is 0.1 to 2 pixels in a view of 224 pixels,
    and grows with the view.

    Args:
        view: an RGB image.
        rng: generator of all random numbers.
        jitter: probability of the jitter.
        grey: probability of greyscale.
        blur: probability of the blur.

    Returns:
        An image of the same size.

    Example:
        >>> view = Image.new("RGB", (4, 4), "red")
        >>> change_colours(view, np.random.default_rng(0), jitter=0, grey=1, blur=0).getpixel((0, 0))
        (76, 76, 76)
    """
    if rng.random() < jitter:
        strengths = rng.uniform(-1, 1, 4)
        for change in rng.permutation(4):
            strength = float(strengths[change])
            if change == 0:
                view = ImageEnhance.Brightness(view).enhance(1 + _BRIGHTNESS * strength)
            elif change == 1:
                view = ImageEnhance.Contrast(view).enhance(1 + _CONTRAST * strength)
            elif change == 2:
                view = ImageEnhance.Color(view).enhance(1 + _SATURATION * strength)
            else:
                view = _turn_hue(view, _HUE * strength)
    if rng.random() < grey:
        view = view.convert("L").convert("RGB")
    if rng.random() < blur:
        view = view.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR) * view.width / _BLUR_SIDE))
    return view


def _turn_hue(view: Image.Image, turns: float) -> Image.Image:
    hue, saturation, value = view.convert("HSV").split()
    steps = round(turns * 256) % 256  # 256 steps are the whole circle
    hue = hue.point([(level + steps) % 256 for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")
