"""Works on many photos in several processes, in order, with a bar."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from graphpool.checks import check_count

Item = TypeVar("Item")
Result = TypeVar("Result")
Results = Generator[tuple[int, Result], None, None]  # with the number of items
_PORTION = 16  # items that are sent to a process together
_PRELOADED = ("hierarchy", "instance", "panoptic_maps", "semantic_maps")  # once, for all processes; packages are lazy
_WORTH_IT = 200  # photos a process, below which starting it takes longer than it saves


def choose_workers(photos: int, asked: int | None = None) -> int:
    """Returns the number of processes that was asked for, else one for each core if there are enough photos.

    Example:
        >>> choose_workers(50), choose_workers(50, asked=3)
        (1, 3)
    """
    if asked is not None:
        return check_count("workers", asked, 1)
    return max(1, min(os.cpu_count() or 1, photos // _WORTH_IT))


def work_on(
    work: Callable[[Sequence[Item]], Result],
    items: Iterable[Item],
    total: int,
    *,
    workers: int = 1,
    title: str | None = None,
) -> Iterator[Result]:
    """Calls ``work`` on portions of the items, and yields what it returns in their order.

    Only a few portions are under way at a time, however many items there are. With several processes, ``work``, its
    items and its results must be picklable. An error in one process is raised here, and ends the others.

    Args:
        work: function of a portion of the items.
        items: the items.
        total: number of items, for the bar.
        workers: number of processes; 1 is this one.
        title: title of a bar on standard error; ``None`` for no bar.

    Example:
        >>> list(work_on(sum, range(20), 20))  # 0 ... 15, then 16 ... 19
        [120, 70]
    """
    portions = _portions(items)
    results = _in_this_process(work, portions) if workers == 1 else _in_processes(work, portions, workers)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=title is None) as bar, closing(results):
        task = bar.add_task(title or "", total=total)
        for size, result in results:
            bar.update(task, advance=size)
            yield result


def _portions(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while portion := list(islice(left, _PORTION)):
        yield portion


def _in_this_process(work: Callable[[Sequence[Item]], Result], portions: Iterator[list[Item]]) -> Results[Result]:
    for portion in portions:
        yield len(portion), work(portion)


def _in_processes(
    work: Callable[[Sequence[Item]], Result], portions: Iterator[list[Item]], workers: int
) -> Results[Result]:
    # a process that is forked from one with threads, such as torch's and the bar's, may hang
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload([f"segmentation.evaluation.metrics.{name}" for name in _PRELOADED])
    waiting: deque[tuple[int, Future[Result]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for portion in portions:
                waiting.append((len(portion), pool.submit(work, portion)))
                if len(waiting) > 2 * workers:
                    size, future = waiting.popleft()
                    yield size, future.result()
            while waiting:
                size, future = waiting.popleft()
                yield size, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
