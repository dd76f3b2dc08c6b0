"""Work on many photos: in several processes, in order, with a bar."""

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
Part = TypeVar("Part")
Done = Generator[tuple[int, Part], None, None]
_PORTION = 16  # photos that travel together
_WORTH_IT = 200  # photos a process, below which starting it takes longer than it saves


def choose_workers(photos: int, asked: int | None = None) -> int:
    """A number of processes: what was asked for, else as many as there are cores, if there are photos enough.

    Example:
        >>> choose_workers(50), choose_workers(50, asked=3)
        (1, 3)
    """
    if asked is not None:
        return check_count("workers", asked, 1)
    return max(1, min(os.cpu_count() or 1, photos // _WORTH_IT))


def work_on(
    work: Callable[[Sequence[Item]], Part],
    items: Iterable[Item],
    total: int,
    *,
    workers: int = 1,
    title: str | None = None,
) -> Iterator[Part]:
    """What ``work`` makes of portions of the items, in order.

    Few portions are under way at a time, however many items there are. With several processes, ``work``, its items and
    what it returns must be picklable. An error in one of them is raised here, and ends the others.

    Args:
        work: takes some of the items.
        items: what there is to do.
        total: how many they are, for the bar.
        workers: number of processes; 1 is this one.
        title: shows a bar of this name on standard error.

    Example:
        >>> list(work_on(sum, range(20), 20))  # 0 ... 15, then the rest
        [120, 70]
    """
    portions = _portions(items)
    done = _here(work, portions) if workers == 1 else _elsewhere(work, portions, workers)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=title is None) as bar, closing(done):
        task = bar.add_task(title or "", total=total)
        for size, part in done:
            bar.update(task, advance=size)
            yield part


def _portions(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while portion := list(islice(left, _PORTION)):
        yield portion


def _here(work: Callable[[Sequence[Item]], Part], portions: Iterator[list[Item]]) -> Done[Part]:
    for portion in portions:
        yield len(portion), work(portion)


def _elsewhere(work: Callable[[Sequence[Item]], Part], portions: Iterator[list[Item]], workers: int) -> Done[Part]:
    # a process that is forked from one with threads, of which torch and the bar have some, may hang
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload(["segmentation.evaluation.metrics"])
    waiting: deque[tuple[int, Future[Part]]] = deque()
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
