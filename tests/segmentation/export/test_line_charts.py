"""Curves of the training log."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from segmentation.export.line_charts import line_chart, log_charts, smoothed, thinned, ticks


def points_of(chart: ElementTree.Element, kind: str) -> np.ndarray:
    line = chart.find(f"polyline[@class='{kind}']")
    assert line is not None
    return np.array([[float(number) for number in pair.split(",")] for pair in line.attrib["points"].split()])


def test_smooth_is_a_gaussian_average(rng: np.random.Generator) -> None:
    values = rng.normal(size=120)
    deviation = 3.0
    padded = np.pad(values, 12, "edge")
    weights = np.exp(-0.5 * (np.arange(-12, 13) / deviation) ** 2)
    expected = np.convolve(padded, weights / weights.sum(), "valid")
    np.testing.assert_allclose(smoothed(values), expected, atol=1e-12)


def test_lines_are_where_the_axes_say(rng: np.random.Generator) -> None:
    points = np.stack([np.sort(rng.choice(5000, 60, replace=False)), rng.normal(3, 40, 60)], axis=1).astype(float)
    chart = ElementTree.fromstring(line_chart(points, "a & b <c>"))
    labels = {text.text: text for text in chart.iter("text") if text.text != "step"}
    for axis, place, column in (("middle", "x", 0), ("end", "y", 1)):
        marks = [text for text in labels.values() if text.attrib["text-anchor"] == axis]
        assert len(marks) >= 2
        numbers = [float(str(mark.text)) for mark in marks]
        pixels = [float(mark.attrib[place]) - (3.5 if place == "y" else 0) for mark in marks]
        expected = np.polyval(np.polyfit(numbers, pixels, 1), points[:, column])
        np.testing.assert_allclose(points_of(chart, "raw")[:, column], expected, atol=0.25)
    assert chart.attrib["aria-label"].startswith("a & b <c> over steps ")


@pytest.mark.parametrize("value", [0.0, 1e-9, -3.0])
def test_a_constant_is_a_flat_line(value: float) -> None:
    chart = ElementTree.fromstring(line_chart(np.array([[1.0, value], [2.0, value], [9.0, value]]), "flat"))
    assert np.ptp(points_of(chart, "raw")[:, 1]) == np.ptp(points_of(chart, "smooth")[:, 1]) == 0


def test_peaks_stay_when_lines_are_thinned_out(rng: np.random.Generator) -> None:
    values = rng.normal(size=5000)
    values[1234], values[4321] = 50, -50
    kept = thinned(values, 180)
    assert {0, 1234, 4321, 4999} <= set(kept)
    assert len(kept) <= 362
    assert kept == sorted(set(kept))


@pytest.mark.parametrize("scale", [1e-7, 0.3, 1.0, 77.0, 1e6])
def test_ticks_are_round_and_inside(rng: np.random.Generator, scale: float) -> None:
    for _ in range(50):
        low, high = sorted(scale * rng.normal(size=2))
        found = ticks(low, high)
        assert 2 <= len(found) <= 6
        margin = 1e-6 * (high - low)
        assert low - margin <= found[0] < found[-1] <= high + margin
        step = found[1] - found[0]
        np.testing.assert_allclose(np.diff(found), step, rtol=1e-6)
        digits = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(digits - round_number) for round_number in (1, 2, 5)) < 1e-4


def test_a_figure_that_is_not_always_there_has_a_chart_of_what_there_is() -> None:
    log = [
        {"step": 1, "loss": 3.0, "text": "a", "sometimes": None},
        {"step": 2, "loss": float("nan"), "sometimes": 2.0},
        {"step": 3, "loss": 1.0, "sometimes": 1.0, "once": 1.0},
    ]
    charts = log_charts(log)
    assert list(charts) == ["loss", "sometimes"]
    assert len(points_of(ElementTree.fromstring(charts["loss"]), "raw")) == 2
    assert log_charts([]) == {}
