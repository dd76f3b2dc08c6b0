"""Lets a run finish its current step after Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Yields an event that the first SIGINT or SIGTERM sets; a second signal acts as it would outside the block.

    Outside the main thread, where Python handles no signals, the event is never set.

    Example:
        >>> with interruptible() as asked_to_stop:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     asked_to_stop.is_set()
        True
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
