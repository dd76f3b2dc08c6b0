"""Measures how long calls take: the median of repetitions that take turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

_ENOUGH = 0.1  # seconds; calls so short that the repetitions take less in total are repeated more
_SLOW = 3.0  # seconds; calls that take longer are repeated less
_VERY_SLOW = 15.0  # seconds; of such calls the warm-up is the measurement


@dataclass(frozen=True)
class Timing:
    """Median of ``repeats`` measurements, in seconds."""

    seconds: float
    repeats: int

    @property
    def ms(self) -> float:
        """The median in milliseconds."""
        return 1e3 * self.seconds


def stopwatch(call: Callable[[], object], device: torch.device) -> float:
    """Returns the seconds of one call, the device's work included."""
    _synchronize(device)
    start = time.perf_counter()
    call()
    _synchronize(device)
    return time.perf_counter() - start


def measure(calls: Mapping[str, Callable[[], object]], device: torch.device, repeats: int = 7) -> dict[str, Timing]:
    """Times several calls in turns, so that a machine that is slower for a while is so for all of them and ratios hold.

    A first round warms up. Then every call is measured ``repeats`` times: more (up to ten times as many) if they take
    less than 0.1 s in total, three times if one takes longer than 3 s, and if it takes longer than 15 s its warm-up is
    the only measurement.
    """
    warm_up = {name: stopwatch(call, device) for name, call in calls.items()}
    wanted = {name: _repeats(seconds, repeats) for name, seconds in warm_up.items()}
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(max(wanted.values(), default=0)):
        for name, call in calls.items():
            if turn < wanted[name]:
                measured[name].append(stopwatch(call, device))
    return {
        name: Timing(statistics.median(seconds or [warm_up[name]]), max(len(seconds), 1))
        for name, seconds in measured.items()
    }


def _repeats(seconds: float, repeats: int) -> int:
    if seconds > _VERY_SLOW:
        return 0
    if seconds > _SLOW:
        return min(repeats, 3)
    return max(repeats, min(10 * repeats, int(_ENOUGH / seconds)))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
