"""Small line charts as SVG, whose colours are those of the page around them."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from graphpool.checks import check_count

_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 12, 36  # margins around the lines
_COLUMNS = 180  # more points than two in each are thinned out
_INTERVALS = 5  # between ticks, at most
_SMOOTH = 40  # a line is smoothed over this part of its length


def log_charts(log: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A chart over steps for each figure of a training log, in the log's order.

    Args:
        log: lines, as :func:`~segmentation.training.log.read_log` gives them; what is no finite number is left out.

    Returns:
        SVG by the name of the figure; figures with less than two values are left out.

    Example:
        >>> charts = log_charts([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5, "lr": 0.1}])
        >>> list(charts)
        ['loss']
    """
    points: dict[str, list[tuple[int, float]]] = {}
    for line in log:
        for name, value in line.items():
            if name != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                points.setdefault(name, []).append((line["step"], value))
    return {
        name: line_chart(np.array(own, dtype=float), name.replace("_", " "))
        for name, own in points.items()
        if len(own) > 1
    }


def line_chart(points: Float[np.ndarray, "points 2"], name: str) -> str:
    """A chart of one figure over steps: the raw line, pale, and a smooth one.

    It has no colours of its own: a page gives them to its classes ``raw``, ``smooth``, ``last``, ``grid``, ``ground``
    and ``axis``.

    Args:
        points: step and value of each, steps rising.
        name: of the figure, for readers who do not see it.

    Example:
        >>> line_chart(np.array([[0.0, 1.0], [10.0, 3.0]]), "loss")[:60]
        '<svg class="chart" viewBox="0 0 360 190" role="img" aria-lab'
    """
    steps, values = points.T
    smooth = smoothed(values)
    across, up = ticks(steps[0], steps[-1]), ticks(values.min(), values.max())
    span = np.ptp(values) or 1.0
    low = (values.min() + values.max() - span) / 2
    xs = _LEFT + (steps - steps[0]) / ((steps[-1] - steps[0]) or 1.0) * (_WIDTH - _LEFT - _RIGHT)
    scale = (_HEIGHT - _TOP - _BOTTOM) / span
    floor = _HEIGHT - _BOTTOM

    def height(value: Any) -> Any:
        return floor - (value - low) * scale

    text = f"{name} over steps {steps[0]:g} to {steps[-1]:g}: from {values[0]:.4g} to {values[-1]:.4g}"
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(text)}">',
        *(f'<path class="grid" d="M{_LEFT} {height(tick):.1f}H{_WIDTH - _RIGHT}"/>' for tick in up),
        *(
            f'<text class="axis" x="{_LEFT - 7}" y="{height(tick) + 3.5:.1f}" text-anchor="end">{_label(tick)}</text>'
            for tick in up
        ),
    ]
    parts.append(f'<path class="ground" d="M{_LEFT} {floor}H{_WIDTH - _RIGHT}"/>')
    for tick in across:
        x = float(np.interp(tick, steps, xs))
        parts.append(f'<path class="grid" d="M{x:.1f} {floor}v4"/>')
        parts.append(f'<text class="axis" x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{_label(tick)}</text>')
    parts.append(f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 5}" text-anchor="end">step</text>')
    for kind, line in (("raw", values), ("smooth", smooth)):
        keep = thinned(line, _COLUMNS)
        parts.append(f'<polyline class="{kind}" points="{_path(xs[keep], height(line[keep]))}"/>')
    parts.append(f'<circle class="last" cx="{xs[-1]:.1f}" cy="{height(smooth[-1]):.1f}" r="2.6"/></svg>')
    return "".join(parts)


def smoothed(values: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """The values under a Gaussian whose deviation is a fortieth of their number; both ends go on as they are.

    Example:
        >>> smoothed(np.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """
    return gaussian_filter1d(values, len(values) / _SMOOTH, mode="nearest")


def thinned(values: Float[np.ndarray, " points"], columns: int) -> list[int]:
    """Which points to draw: the smallest and the largest of each column, so that no peak is lost.

    Args:
        values: in order.
        columns: of the drawing; up to twice as many points all stay.

    Example:
        >>> thinned(np.array([0.0, 5.0, 1.0, 2.0, 3.0, -4.0]), columns=2)
        [0, 1, 4, 5]
    """
    check_count("columns", columns, 1)
    if len(values) <= 2 * columns:
        return list(range(len(values)))
    kept = set()
    for part in np.array_split(np.arange(len(values)), columns):
        kept |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
    return sorted(kept | {0, len(values) - 1})


def ticks(low: float, high: float) -> list[float]:
    """Two to six round numbers in a range: multiples of 1, 2 or 5 times a power of ten.

    Args:
        low: end of the range.
        high: other end; where it is the same, that number is the only one.

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


def _label(value: float) -> str:
    """A number as short as it is exact."""
    if value and not 1e-3 <= abs(value) < 1e4:
        digits, _, power = f"{value:.10e}".partition("e")
        digits = f"{float(digits):.4g}"
        if 4 <= int(power) < 6:
            return f"{value / 1000:.6g}k"
        return f"{digits}e{int(power)}"
    return f"{value:.6g}"


def _path(xs: np.ndarray, ys: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
