"""Settings of the views that are cut from photos."""

from typing import Literal

from segmentation.config.checked import Count, CountOrZero, PositiveShare, Share, settings


@settings("views.window")
class WindowSettings:
    """Random windows of views: the part that the student sees in a step."""

    side: PositiveShare = 1.0  #: smallest height and width of a window, as a share of the view's; 1 for whole views.
    flip: Share = 0.0  #: probability that a window is mirrored.


@settings()
class ViewSettings:
    """Views that are cut from each photo: one global view for the teacher, global and local ones for the student."""

    size: Count  #: side of the global view, in pixels.
    #: area of the photo that the global view shows; ``"square"`` is a square as large as the photo's shorter side in a
    #: random place, ``"squash"`` the whole photo, squashed to a square.
    crop: Literal["square", "squash"]
    local_views: CountOrZero  #: number of the student's views of a part of the global view.
    local_size: Count  #: side of the local views, in pixels.
    min_area: PositiveShare = 0.05  #: smallest share of the global view's area that a local view shows.
    max_area: PositiveShare = 0.4  #: largest share of the global view's area that a local view shows.
    min_aspect: PositiveShare = 3 / 4  #: smallest aspect ratio of that part; the largest is its inverse.
    global_views: CountOrZero = 0  #: number of the student's views of the whole global view, in its size.
    flip: Share = 0.5  #: probability that one of the student's views is mirrored.
    jitter: Share = 0.8  #: probability of a colour jitter, per student's view.
    grey: Share = 0.2  #: probability of a conversion to grey, per student's view.
    blur: Share = 0.5  #: probability of a Gaussian blur, per student's view.
    window: WindowSettings = WindowSettings()  #: random windows of views, drawn anew in every step.

    def __post_init__(self) -> None:
        if self.local_size > self.size:
            raise ValueError(f"'local_size' must be at most 'size' ({self.size}), got {self.local_size}")
        if self.min_area > self.max_area:
            raise ValueError(f"'min_area' must be at most 'max_area' ({self.max_area}), got {self.min_area}")
        if not self.local_views + self.global_views:
            raise ValueError("'local_views' and 'global_views' must not both be 0: the student would see nothing")
