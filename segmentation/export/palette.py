"""Colours that the eye tells apart, chosen in the perceptual OKLab space."""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, UInt8

_LIGHTNESS_CHROMA = ((0.76, 0.14), (0.86, 0.11), (0.68, 0.17), (0.81, 0.09), (0.72, 0.11))
_HUES = 48
_FIRST_HUE = 250.0  # degrees: a blue
_FAR = 0.18  # two colours at this OKLab distance cannot be mistaken for each other, more is not better
_PRICE_OF_REUSE = 0.04

# https://bottosson.github.io/posts/oklab/
_LMS_FROM_LAB = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def palette(count: int) -> UInt8[np.ndarray, "count 3"]:
    """The first ``count`` colours of one fixed sequence, each as far as possible from all before it.

    Colours of medium lightness and chroma, so that they show on dark and on bright photos. The sequence repeats after
    240 colours.

    Args:
        count: number of colours, 0 or more.

    Returns:
        sRGB colours.

    Raises:
        TypeError, ValueError: ``count`` is no int, or negative.

    >>> palette(2).tolist()
    [[112, 182, 254], [233, 113, 38]]
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"'count' must be an int, got {type(count).__name__} {count!r}")
    if count < 0:
        raise ValueError(f"'count' must be at least 0, got {count}")
    colours = rgb(_sequence())
    return colours[np.arange(count) % len(colours)]


def distinct_colours(neighbours: Bool[np.ndarray, "count count"]) -> UInt8[np.ndarray, "count 3"]:
    """One colour for each of ``count`` things, so that neighbours are easy to tell apart.

    Greedy: the first thing chooses first (put large ones first), each the colour of :func:`palette` that is far from
    those of its neighbours and was used least.

    Args:
        neighbours: symmetric, which things touch.

    Raises:
        ValueError: ``neighbours`` is not square.

    >>> len(np.unique(distinct_colours(~np.eye(20, dtype=bool)), axis=0))
    20
    """
    if neighbours.ndim != 2 or neighbours.shape[0] != neighbours.shape[1]:
        raise ValueError(f"'neighbours' must be a square matrix, got shape {list(neighbours.shape)}")
    candidates = _sequence()[:64]
    distance = np.linalg.norm(candidates[:, None] - candidates, axis=-1)
    uses = np.zeros(len(candidates), dtype=int)
    chosen = np.zeros(len(neighbours), dtype=int)
    for thing, touches in enumerate(neighbours):
        taken = chosen[:thing][touches[:thing]]
        apart = distance[taken].min(axis=0, initial=_FAR)
        chosen[thing] = np.argmax(apart - _PRICE_OF_REUSE * uses)
        uses[chosen[thing]] += 1
    return rgb(candidates)[chosen]


def rgb(lab: Float[np.ndarray, "*shape 3"]) -> UInt8[np.ndarray, "*shape 3"]:
    """OKLab colours as sRGB; those that a screen cannot show are clipped.

    >>> rgb(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])).tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    linear = np.clip(_linear(lab), 0.0, 1.0)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: np.ndarray = np.rint(255 * gamma).astype(np.uint8)
    return colours


def _linear(lab: np.ndarray) -> np.ndarray:
    return (lab @ _LMS_FROM_LAB.T) ** 3 @ _RGB_FROM_LMS.T


def _shown(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """The colour of this lightness and hue with at most this chroma that a screen can show."""
    angle = np.deg2rad(hue)
    for reduced in np.linspace(chroma, 0.0, 40):
        lab = np.array([lightness, reduced * np.cos(angle), reduced * np.sin(angle)])
        if (np.abs(_linear(lab) - 0.5) <= 0.5).all():
            break
    return lab


@lru_cache(maxsize=1)
def _sequence() -> np.ndarray:
    """All the candidates ``[240, 3]`` in OKLab, farthest first."""
    hues = _FIRST_HUE + 360 / _HUES * np.arange(_HUES)
    colours = np.array([_shown(*tone, hue) for tone in _LIGHTNESS_CHROMA for hue in hues])
    order = [0]
    nearest = np.linalg.norm(colours - colours[0], axis=-1)
    while len(order) < len(colours):
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(colours - colours[order[-1]], axis=-1))
    return colours[order]
