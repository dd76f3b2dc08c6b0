"""Shows the progress of a training on the terminal."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from segmentation.training.distributed import Processes

_TERMS = {"dice": "dice", "cross_entropy": "ce", "objectness": "obj", "distillation": "dist"}
_WINDOW = 50  # steps that the speed is measured over
_PAUSE = 30.0  # seconds between lines where there is no terminal


class TrainProgress:
    """Shows a bar on a terminal, or prints a line every half minute elsewhere; silent but in the main process.

    Args:
        console: console to print to.
        steps: number of steps of the whole training.
        done: number of steps that are finished already.
        processes: processes that share the work.
        clock: returns the time in seconds.

    Attributes:
        images_per_second: speed over the last steps; 0 until it is known.

    Example:
        >>> import sys, torch
        >>> console = Console(file=sys.stdout, width=120)
        >>> with TrainProgress(console, 9, 0, Processes(torch.device("cpu")), iter(range(9)).__next__) as bar:
        ...     bar.advance({"loss": 2.5, "dice": 0.25, "segments": 12.0}, images=8)
        step 1/9  loss 2.5 (dice 0.25)  8.0 images/s  12.0 segments an image  0:00:08 left
    """

    def __init__(
        self,
        console: Console,
        steps: int,
        done: int,
        processes: Processes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console, self.steps, self.done = console, steps, done
        self.images_per_second = 0.0
        self._clock = clock
        self._times = deque([(clock(), 0)], maxlen=_WINDOW + 1)  # with the images seen by then
        self._next_line = -float("inf")
        self._silent = not processes.is_main
        self._bar = _Bar(console, disable=self._silent or not console.is_terminal)
        self._task = self._bar.add_task("training", total=steps, completed=done, figures="", left="")

    def __enter__(self) -> "TrainProgress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def advance(self, figures: Mapping[str, float], images: int) -> None:
        """Counts a finished step.

        Args:
            figures: figures of the step; ``loss``, its terms and ``segments`` are shown if present.
            images: number of images of the step, over all processes.
        """
        self.done += 1
        now = self._clock()
        self._times.append((now, self._times[-1][1] + images))
        (start, before), (_, seen) = self._times[0], self._times[-1]
        left = ""
        if now > start:
            self.images_per_second = (seen - before) / (now - start)
            left = f"{_duration((self.steps - self.done) * (now - start) / (len(self._times) - 1))} left"
        text = "  ".join([*_words(figures), f"{self.images_per_second:.1f} images/s", *_segments(figures)])
        self._bar.update(self._task, completed=self.done, figures=text, left=left)
        if self._bar.disable and not self._silent and (now >= self._next_line or self.done == self.steps):
            self._next_line = now + _PAUSE
            self.console.print(
                f"step {self.done}/{self.steps}  {text}  {left}", markup=False, highlight=False, soft_wrap=True
            )


class _Bar(Progress):
    """A bar with the figures in a line below it, so that both fit a narrow terminal."""

    def __init__(self, console: Console, disable: bool) -> None:
        left = TextColumn("{task.fields[left]}")
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), left)
        super().__init__(*columns, console=console, disable=disable, expand=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            yield Text(task.fields["figures"], style="dim")


def _words(figures: Mapping[str, float]) -> list[str]:
    if "loss" not in figures:
        return []
    terms = ", ".join(f"{short} {figures[term]:.3g}" for term, short in _TERMS.items() if term in figures)
    return [f"loss {figures['loss']:.4g}" + (f" ({terms})" if terms else "")]


def _segments(figures: Mapping[str, float]) -> list[str]:
    return [f"{figures['segments']:.1f} segments an image"] if "segments" in figures else []


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
