"""Windows into views that come again: what the student sees differs from step to step, tokens are made once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from segmentation.config.views import WindowSettings


@dataclass(frozen=True)
class Window:
    """Whole tokens of a view.

    Attributes:
        grid: tokens along each side of the view, which is a square.
        top, left: its first row and column of tokens.
        height, width: in tokens.
        flip: whether it is mirrored, after it was cut.
    """

    grid: int
    top: int
    left: int
    height: int
    width: int
    flip: bool

    def crop_pixels(self, view: Float[Tensor, "channels side side"]) -> Float[Tensor, "channels height width"]:
        """The window of a view, or of any map over it whose side is a multiple of the grid."""
        zoom = view.size(1) // self.grid
        rows = slice(zoom * self.top, zoom * (self.top + self.height))
        columns = slice(zoom * self.left, zoom * (self.left + self.width))
        cut = view[:, rows, columns]
        return cut.flip(2) if self.flip else cut

    def crop_tokens(self, tokens: Float[Tensor, "tokens channels"]) -> Float[Tensor, "cut channels"]:
        """The tokens of the window, row by row."""
        return self.crop_pixels(tokens.T.unflatten(1, (self.grid, self.grid))).flatten(1).T

    def crop_box(self, box: Float[Tensor, "4"], flipped: bool) -> tuple[Float[Tensor, "4"], bool]:
        """Where the window lies and whether it is mirrored, if the view lies in a box ``(x0, y0, x1, y1)``.

        Args:
            box: of the view, in any unit.
            flipped: whether the view is mirrored: its left edge then shows x1.
        """
        left = self.grid - self.left - self.width if flipped else self.left
        ends = box.new_tensor([left, self.top, left + self.width, self.top + self.height]) / self.grid
        return box[:2].repeat(2).lerp(box[2:].repeat(2), ends), flipped != self.flip


def random_windows(
    keys: Sequence[int], step: int, grid: int, settings: WindowSettings, *, seed: int = 0
) -> list[Window]:
    """Windows of some views, all of one size, so that they are a batch.

    Height and width follow from seed and step, uniform between the least side and the whole; place and flip from the
    key of the view and the step. Nothing depends on what else is in the batch.

    Args:
        keys: one for each view.
        step: of training.
        grid: tokens along each side of the views.
        settings: which windows.
        seed: of the run.

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


def crop_tokens(
    windows: Sequence[Window], tokens: Float[Tensor, "views tokens channels"]
) -> Float[Tensor, "views cut channels"]:
    """The window of each view."""
    return torch.stack([window.crop_tokens(own) for window, own in zip(windows, tokens, strict=True)])


def crop_pixels(
    windows: Sequence[Window], pixels: Float[Tensor, "views channels side side"]
) -> Float[Tensor, "views channels height width"]:
    """The window of each view."""
    return torch.stack([window.crop_pixels(own) for window, own in zip(windows, pixels, strict=True)])
