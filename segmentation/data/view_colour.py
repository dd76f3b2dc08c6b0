"""The changes of colour that DINO makes to the student's views."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = 0.4, 0.4, 0.2, 0.1
_BLUR = (0.1, 2.0)  # radius in pixels of a view of
_BLUR_SIDE = 224  # pixels a side


def change_colours(
    view: Image.Image, rng: np.random.Generator, *, jitter: float, grey: float, blur: float
) -> Image.Image:
    """Colour jitter, grey and Gaussian blur, each with its own probability.

    As in DINO (Caron et al. 2021): brightness and contrast change by up to 40 %, saturation by up to 20 % and the hue
    by up to a tenth of the circle, in random order; the radius of the blur is 0.1 to 2 pixels in a view of 224 pixels,
    and grows with the view.

    Args:
        view: in RGB.
        rng: where all choices come from.
        jitter: probability of the jitter.
        grey: probability that all colour is taken away.
        blur: probability of the blur.

    Returns:
        A picture of the same size.

    Example:
        >>> view = Image.new("RGB", (4, 4), "red")
        >>> change_colours(view, np.random.default_rng(0), jitter=0, grey=1, blur=0).getpixel((0, 0))
        (76, 76, 76)
    """
    if rng.random() < jitter:
        view = _jittered(view, rng)
    if rng.random() < grey:
        view = view.convert("L").convert("RGB")
    if rng.random() < blur:
        view = view.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR) * view.width / _BLUR_SIDE))
    return view


def _jittered(view: Image.Image, rng: np.random.Generator) -> Image.Image:
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
            view = _turned_hue(view, _HUE * strength)
    return view


def _turned_hue(view: Image.Image, turns: float) -> Image.Image:
    hue, saturation, value = view.convert("HSV").split()
    turned = (np.asarray(hue) + np.uint8(round(turns * 256) % 256)).astype(np.uint8)  # 256 steps are the whole circle
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
