"""Decodes photos ahead of their use, in a few threads."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphpool.checks import check_count
from segmentation.data.formats import PhotoError, pillow_silenced
from segmentation.data.photos import PhotoFile

_THREADS = 2


class Decoded(NamedTuple):
    """A decoded photo, or the reason why it could not be decoded.

    Attributes:
        file: file of the photo.
        photo: ``[H, W, 3]``, uint8, sRGB; None after an error.
        error: error of decoding, or None.
        seconds: time that decoding took.
    """

    file: PhotoFile
    photo: NDArray[np.uint8] | None
    error: PhotoError | None
    seconds: float


def prefetch(files: Iterable[PhotoFile], ahead: int = 4) -> Generator[Decoded, None, None]:
    """Decodes photos ahead of their use.

    Args:
        files: photos, iterated over lazily.
        ahead: number of photos that are decoded, or being decoded, while the caller works on another one.

    Returns:
        The photos in the order of ``files``; an error that is no PhotoError is raised. The threads end when the
        generator is exhausted, closed or dropped.

    Raises:
        TypeError, ValueError: ``ahead`` is no int of at least 1.

    Example:
        >>> from pathlib import Path
        >>> [decoded.error for decoded in prefetch([PhotoFile(Path("missing.jpg"), "missing.jpg", "missing")])]
        [PhotoError('cannot be read: No such file or directory')]
    """
    check_count("ahead", ahead, 1)
    return _decoded(iter(files), ahead)


def _decoded(files: Iterator[PhotoFile], ahead: int) -> Generator[Decoded, None, None]:
    # silenced from this thread too: a filter that a worker sets is lost when the caller leaves catch_warnings
    with pillow_silenced():
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="prefetch")
        try:
            waiting: deque[Future[Decoded]] = deque(pool.submit(_decode, file) for file in islice(files, ahead))
            while waiting:
                ready = waiting.popleft().result()
                waiting.extend(pool.submit(_decode, file) for file in islice(files, 1))
                yield ready
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _decode(file: PhotoFile) -> Decoded:
    start = time.perf_counter()
    photo = error = None
    try:
        photo = file.read()
    except PhotoError as raised:
        error = PhotoError(raised.reason)  # without the traceback, which holds the half-decoded photo
    return Decoded(file, photo, error, time.perf_counter() - start)
