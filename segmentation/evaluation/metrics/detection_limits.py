"""Names COCO's numbers, and average recall at other limits of detections a photo. Imports nothing."""

from collections.abc import Sequence

COCO_NUMBERS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")
MAX_DETS = (1, 10, 100)
AREAS = ("", "S", "M", "L")  # all, small, medium, large


def check_max_dets(max_dets: Sequence[int]) -> tuple[int, ...]:
    """Checks limits of detections a photo, and returns those that COCO does not have, rising.

    Raises:
        TypeError: something else than a sequence of ints.
        ValueError: a limit below 1, or one that is there twice.

    Example:
        >>> check_max_dets([1, 10, 100, 1000, 300])
        (300, 1000)
    """
    is_list = isinstance(max_dets, Sequence) and not isinstance(max_dets, str)
    if not is_list or any(isinstance(limit, bool) or not isinstance(limit, int) for limit in max_dets):
        raise TypeError(f"'max_dets' must be a sequence of ints, got {max_dets!r}")
    if any(limit < 1 for limit in max_dets):
        raise ValueError(f"'max_dets' must be at least 1, got {min(max_dets)}")
    twice = [limit for limit in max_dets if list(max_dets).count(limit) > 1]
    if twice:
        raise ValueError(f"'max_dets' must be different numbers, got {twice[0]} twice")
    return tuple(sorted(set(max_dets) - set(MAX_DETS)))


def recall_names(limits: Sequence[int]) -> tuple[str, ...]:
    """Names average recall at each limit, of all objects and of small, medium and large ones.

    Example:
        >>> recall_names([1000])
        ('AR1000', 'AR1000S', 'AR1000M', 'AR1000L')
    """
    return tuple(f"AR{limit}{area}" for limit in limits for area in AREAS)
