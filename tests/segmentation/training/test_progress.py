"""What a run says on a terminal, and where there is none."""

import io
import re
from collections.abc import Iterator

import pytest
import torch
from rich.console import Console

from segmentation.training.distributed import Processes
from segmentation.training.progress import TrainProgress

MAIN, OTHER = Processes(torch.device("cpu"), 0, 2), Processes(torch.device("cpu"), 1, 2)
FIGURES = {"loss": 12.3456, "dice": 0.5, "cross_entropy": 0.25, "objectness": 0.1, "distillation": 4.0, "segments": 9.5}


def said(seconds: Iterator[float], steps: int, processes: Processes, *, terminal: bool, done: int = 0) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with TrainProgress(console, done + steps, done, processes, seconds.__next__) as bar:
        for _ in range(steps):
            bar.advance(FIGURES, images=16)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    text = said(iter(range(0, 1000, 10)), 8, MAIN, terminal=False, done=2)
    lines = text.splitlines()
    assert [re.match(r"step (\d+)/10  ", line)[1] for line in lines] == ["3", "6", "9", "10"]  # type: ignore[index]
    assert lines[1] == (
        "step 6/10  loss 12.35 (dice 0.5, ce 0.25, obj 0.1, dist 4)  1.6 images/s  9.5 segments an image  0:00:40 left"
    )


def test_on_a_terminal_there_is_a_bar_with_figures_below() -> None:
    text = said(iter(range(100)), 3, MAIN, terminal=True)
    assert "3/3" in text
    assert "16.0 images/s" in text
    assert "step 3/3" not in text


@pytest.mark.parametrize("terminal", [True, False])
def test_other_processes_are_silent(terminal: bool) -> None:
    assert said(iter(range(100)), 3, OTHER, terminal=terminal) == ""


def test_speed_is_that_of_the_last_steps() -> None:
    """The first steps are slow, then the window has forgotten them."""
    times = iter([0.0, *(100.0 * step for step in range(1, 11)), *(1000 + 0.5 * step for step in range(1, 61))])
    bar = TrainProgress(Console(file=io.StringIO()), 1000, 0, MAIN, times.__next__)
    assert bar.images_per_second == 0
    for _ in range(10):
        bar.advance(FIGURES, images=16)
    assert bar.images_per_second == pytest.approx(16 / 100)
    for _ in range(60):
        bar.advance(FIGURES, images=16)
    assert bar.images_per_second == pytest.approx(32)
