"""Crops random windows of whole tokens from views.

What the student sees then differs from step to step, although the tokens of a view are computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from segmentation.config.training import WindowSettings


@dataclass(frozen=True)
class Window:
    """A window of whole tokens of a square view.

    Attributes:
        grid: number of tokens along each side of the view.
        top, left: first row and column of tokens.
        height, width: size in tokens.
        flip: whether the window is mirrored, after it was cropped.
    """

    grid: int
    top: int
    left: int
    height: int
    width: int
    flip: bool

    def crop_box(self, box: Float[Tensor, "4"], flipped: bool) -> tuple[Float[Tensor, "4"], bool]:
        """Returns the box of the window, and whether it is mirrored.

        Args:
            box: box ``(x0, y0, x1, y1)`` of the view, in any unit.
            flipped: whether the view is mirrored: its left edge then shows x1.
        """
        left = self.grid - self.left - self.width if flipped else self.left
        ends = box.new_tensor([left, self.top, left + self.width, self.top + self.height]) / self.grid
        return box[:2].repeat(2).lerp(box[2:].repeat(2), ends), flipped != self.flip


def random_windows(
    keys: Sequence[int], step: int, grid: int, settings: WindowSettings, *, seed: int = 0
) -> list[Window]:
    """Draws a window of each view, all of one size, so that they make a batch.

    Height and width depend on seed and step, uniform between the smallest side and the view's; position and flip on
    the key of the view and the step. Nothing depends on what else is in the batch.

    Args:
        keys: random number of each view.
        step: step of training.
        grid: number of tokens along each side of the views.
        settings: smallest side and probability of mirroring.
        seed: seed of the run.

    Example:
        >>> window, other = random_windows([5, 8], 0, 10, WindowSettings(side=0.5))
        >>> (window.height, window.width) == (other.height, other.width), window.height >= 5
        (True, True)
    """
    shares = np.random.default_rng((seed, step)).uniform(settings.side, 1, 2)
    height, width = (max(round(grid * float(share)), 1) for share in shares)
    windows = []
    for key in keys:
        rng = np.random.default_rng((key, step, 1))
        top, left = int(rng.integers(grid - height + 1)), int(rng.integers(grid - width + 1))
        windows.append(Window(grid, top, left, height, width, bool(rng.random() < settings.flip)))
    return windows


def crop_pixels(
    windows: Sequence[Window], views: Float[Tensor, "views channels side side"]
) -> Float[Tensor, "views channels height width"]:
    """Crops each view, or a map over it whose side is a multiple of the grid, to its window."""
    zoom = views.size(2) // windows[0].grid
    crops = []
    for window, view in zip(windows, views, strict=True):
        rows = slice(zoom * window.top, zoom * (window.top + window.height))
        columns = slice(zoom * window.left, zoom * (window.left + window.width))
        crops.append(view[:, rows, columns].flip(2) if window.flip else view[:, rows, columns])
    return torch.stack(crops)


def crop_tokens(
    windows: Sequence[Window], tokens: Float[Tensor, "views tokens channels"]
) -> Float[Tensor, "views cropped channels"]:
    """Selects the tokens of each view that lie in its window, row by row."""
    maps = tokens.transpose(1, 2).unflatten(2, (windows[0].grid, windows[0].grid))
    return crop_pixels(windows, maps).flatten(2).transpose(1, 2).contiguous()
