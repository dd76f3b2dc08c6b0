"""Draws small line charts as SVG, whose colours are those of the page around them."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from graphpool.checks import check_count

_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 12, 36  # margins around the lines
_COLUMNS = 180  # points beyond two in each column are thinned out
_INTERVALS = 5  # between ticks, at most
_SMOOTH = 40  # a line is smoothed over this part of its length


def log_charts(log: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Draws a chart over steps for each figure of a training log; returns the SVGs by name, in the log's order.

    What is no finite number is left out, and so are figures with less than two values.

    Example:
        >>> charts = log_charts([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5, "lr": 0.1}])
        >>> list(charts)
        ['loss']
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for line in log:
        for name, value in line.items():
            if name != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                series.setdefault(name, []).append((line["step"], value))
    return {
        name: line_chart(np.array(points, dtype=float), name.replace("_", " "))
        for name, points in series.items()
        if len(points) > 1
    }


def line_chart(points: Float[np.ndarray, "points 2"], name: str) -> str:
    """Draws a chart of one figure over steps: the raw line, pale, and a smooth one.

    It has no colours of its own: a page gives them to its classes ``raw``, ``smooth``, ``last``, ``grid``, ``ground``
    and ``axis``.

    Args:
        points: step and value of each point, steps rising.
        name: name of the figure, for readers who do not see it.

    Example:
        >>> line_chart(np.array([[0.0, 1.0], [10.0, 3.0]]), "loss")[:60]
        '<svg class="chart" viewBox="0 0 360 190" role="img" aria-lab'
    """
    steps, values = points.T
    smooth = smoothed(values)
    span = np.ptp(values) or 1.0
    low = (values.min() + values.max() - span) / 2
    xs = _LEFT + (steps - steps[0]) / ((steps[-1] - steps[0]) or 1.0) * (_WIDTH - _LEFT - _RIGHT)
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT

    def height(value: Any) -> Any:
        return floor - (value - low) * ((floor - _TOP) / span)

    def text(x: float | str, y: float | str, anchor: str, label: str) -> str:
        return f'<text class="axis" x="{x}" y="{y}" text-anchor="{anchor}">{label}</text>'

    label = f"{name} over steps {steps[0]:g} to {steps[-1]:g}: from {values[0]:.4g} to {values[-1]:.4g}"
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">']
    value_ticks = ticks(values.min(), values.max())
    parts += [f'<path class="grid" d="M{_LEFT} {height(tick):.1f}H{right}"/>' for tick in value_ticks]
    parts += [text(_LEFT - 7, f"{height(tick) + 3.5:.1f}", "end", _number(tick)) for tick in value_ticks]
    parts.append(f'<path class="ground" d="M{_LEFT} {floor}H{right}"/>')
    for tick in ticks(steps[0], steps[-1]):
        x = f"{np.interp(tick, steps, xs):.1f}"
        parts += [f'<path class="grid" d="M{x} {floor}v4"/>', text(x, floor + 16, "middle", _number(tick))]
    parts.append(text(right, _HEIGHT - 5, "end", "step"))
    for kind, line in (("raw", values), ("smooth", smooth)):
        keep = thinned(line, _COLUMNS)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs[keep], height(line[keep]), strict=True))
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
    parts.append(f'<circle class="last" cx="{xs[-1]:.1f}" cy="{height(smooth[-1]):.1f}" r="2.6"/></svg>')
    return "".join(parts)


def smoothed(values: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Smooths values by a Gaussian whose deviation is a fortieth of their number; both ends continue as constants.

    Example:
        >>> smoothed(np.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """
    return gaussian_filter1d(values, len(values) / _SMOOTH, mode="nearest")


def thinned(values: Float[np.ndarray, " points"], columns: int) -> list[int]:
    """Returns the indices of the smallest and the largest value of each column, so that no peak is lost.

    Up to twice as many values as columns all stay.

    Example:
        >>> thinned(np.array([0.0, 5.0, 1.0, 2.0, 3.0, -4.0]), columns=2)
        [0, 1, 4, 5]
    """
    check_count("columns", columns, 1)
    if len(values) <= 2 * columns:
        return list(range(len(values)))
    kept = {0, len(values) - 1}
    for column in np.array_split(np.arange(len(values)), columns):
        kept |= {int(column[values[column].argmin()]), int(column[values[column].argmax()])}
    return sorted(kept)


def ticks(low: float, high: float) -> list[float]:
    """Returns two to six round numbers in a range: multiples of 1, 2 or 5 times a power of ten.

    Where both ends are the same, that number is the only one.

    Example:
        >>> ticks(0.0, 400.0)
        [0.0, 100.0, 200.0, 300.0, 400.0]
    """
    if not low < high:
        return [float(low)]
    power = 10.0 ** math.floor(math.log10((high - low) / _INTERVALS))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * _INTERVALS >= (high - low) * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, last + 1)]


def _number(value: float) -> str:
    """Returns a tick as short as it is exact."""
    if not value or 1e-3 <= abs(value) < 1e4:
        return f"{value:.6g}"
    if 1e4 <= abs(value) < 1e6:
        return f"{value / 1000:.6g}k"
    digits, _, power = f"{value:.10e}".partition("e")
    return f"{float(digits):.4g}e{int(power)}"
