"""Settings of what is cut from photos."""

from dataclasses import dataclass, field

from graphpool.checks import check_choice, check_count, check_number

CROPS = ("square", "squash")


@dataclass(frozen=True)
class WindowSettings:
    """Which parts of a view the student sees in a step.

    Attributes:
        side: least height and width of a window, as a share of the view's; 1 for whole views.
        flip: probability that it is mirrored.

    Raises:
        TypeError, ValueError: a number out of its range.
    """

    side: float = 1.0
    flip: float = 0.0

    def __post_init__(self) -> None:
        check_number("views.window.side", self.side, 0, 1, open_low=True)
        check_number("views.window.flip", self.flip, 0, 1)


@dataclass(frozen=True)
class ViewSettings:
    """What is cut from a photo.

    Attributes:
        size: side of the global view, in pixels.
        crop: what the global view shows: ``"square"``, a square of the photo's shorter side in a random place, or
            ``"squash"``, the whole photo, squashed to a square.
        local_views: number of views for the student that show a part of the global view.
        local_size: their side, in pixels.
        min_area: smallest part of the global view that a local view shows.
        max_area: largest part.
        min_aspect: narrowest shape of that part; the widest is its inverse.
        global_views: number of views for the student that show the whole global view, in its size.
        flip: probability that a view for the student is mirrored.
        jitter: probability that its colours are jittered.
        grey: probability that its colours are taken away.
        blur: probability that it is blurred.
        window: the part of a view that the student sees in a step, anew in every step, whether views are fixed or not.

    Raises:
        TypeError, ValueError: a setting of a wrong type or value.
    """

    size: int
    crop: str
    local_views: int
    local_size: int
    min_area: float = 0.05
    max_area: float = 0.4
    min_aspect: float = 3 / 4
    global_views: int = 0
    flip: float = 0.5
    jitter: float = 0.8
    grey: float = 0.2
    blur: float = 0.5
    window: WindowSettings = field(default_factory=WindowSettings)

    def __post_init__(self) -> None:
        check_count("size", self.size, 1)
        check_choice("crop", self.crop, CROPS)
        check_count("local_views", self.local_views, 0)
        check_count("local_size", self.local_size, 1)
        check_count("global_views", self.global_views, 0)
        for name in ("min_area", "max_area", "min_aspect"):
            check_number(name, getattr(self, name), 0, 1, open_low=True)
        for name in ("flip", "jitter", "grey", "blur"):
            check_number(name, getattr(self, name), 0, 1)
        if self.local_size > self.size:
            raise ValueError(f"'local_size' must be at most 'size' ({self.size}), got {self.local_size}")
        if self.min_area > self.max_area:
            raise ValueError(f"'min_area' must be at most 'max_area' ({self.max_area}), got {self.min_area}")
        if not self.local_views + self.global_views:
            raise ValueError("'local_views' and 'global_views' must not both be 0: the student would see nothing")
