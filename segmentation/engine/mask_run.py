"""A run of the pseudo-masker over a list of photos: progress, files, summary."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from segmentation.data.decode import PhotoError, read_photo
from segmentation.data.photos import PhotoFile, PhotoList
from segmentation.data.prefetch import Decoded, prefetch
from segmentation.engine.run_folder import RunFolder
from segmentation.export.coco import coco_annotations, numbered_annotations, numbered_images, write_coco
from segmentation.export.labels import write_labels
from segmentation.export.page import write_page
from segmentation.export.photo_sheet import write_overlay
from segmentation.masker import PseudoMasker
from segmentation.segments.segment import PhotoMasks

FORMATS = ("coco", "overlay", "html", "npz")


class MaskRun:
    """Masks of many photos, written as they are made.

    Args:
        masker: makes them.
        folder: where to.
        photos: which.
        asked: the settings, for ``info`` of the COCO file.
        formats: some of ``coco``, ``overlay``, ``html``, ``npz``.
        root: the folder that the names of the photos start from, if there is one.
        batch_size: photos at a time.
        max_photos_in_page: the page holds the first ones only.
        console: for progress and the summary.

    Attributes:
        skipped: names of photos that could not be read, with the reason.
    """

    def __init__(
        self,
        masker: PseudoMasker,
        folder: RunFolder,
        photos: PhotoList,
        *,
        asked: dict[str, Any],
        formats: Sequence[str],
        root: Path | None,
        batch_size: int,
        max_photos_in_page: int,
        console: Console,
    ) -> None:
        self.masker, self.folder, self.photos = masker, folder, photos
        self.asked, self.formats, self.root = asked, formats, root
        self.batch_size, self.max_photos_in_page, self.console = batch_size, max_photos_in_page, console
        self.skipped: dict[str, str] = {}
        self.made = 0
        self.seconds = 0.0

    def process(self) -> bool:
        """Makes the masks of all photos that have none yet; False if it was interrupted (Ctrl-C, SIGTERM)."""
        waiting = [photo for photo in self.photos if photo.name not in self.folder.done]
        if len(waiting) < len(self.photos):
            self.console.print(f"{len(self.photos) - len(waiting)} of {len(self.photos)} photos are done already")
        start = time.perf_counter()
        with _progress(self.console) as bar, _interruptible() as asked_to_stop:
            task = bar.add_task("masks", total=len(self.photos), completed=len(self.photos) - len(waiting), rate="")
            with closing(prefetch(waiting, ahead=self.batch_size)) as photos:
                while batch := list(islice(photos, self.batch_size)):
                    self._process_batch(batch)
                    self.seconds = time.perf_counter() - start
                    bar.update(task, advance=len(batch), rate=f"{self.made / self.seconds:.2f} photos/s")
                    if asked_to_stop.is_set():
                        return False
        return True

    def finish(self) -> None:
        """Writes the files of the whole run, and the summary."""
        names = [photo.name for photo in self.photos]
        with self.masker.costs.stage("export"):
            if "coco" in self.formats:
                write_coco(self.folder.path / "instances.json", self._info(), lambda: self.folder.records(names))
            if "html" in self.formats:
                self._write_page(names)
        self._summary()

    def _process_batch(self, batch: list[Decoded]) -> None:
        for decoded in batch:
            self.masker.costs.add("decode", decoded.seconds)
            if decoded.error is not None:
                self.skipped[decoded.file.name] = decoded.error.reason
                self.console.print(f"skipped {decoded.file.name}: {decoded.error.reason}", markup=False, soft_wrap=True)
        good = [(decoded.file, decoded.photo) for decoded in batch if decoded.photo is not None]
        found = self.masker([photo for _, photo in good])
        with self.masker.costs.stage("export"):
            for (file, photo), masks in zip(good, found, strict=True):
                self._write_photo(file, photo, masks)
        self.made += len(good)

    def _write_photo(self, file: PhotoFile, photo: np.ndarray, found: PhotoMasks) -> None:
        if "overlay" in self.formats:
            write_overlay(self.folder.path / "overlays" / f"{file.stem}.png", photo, found)
        if "npz" in self.formats:
            write_labels(self.folder.path / "labels" / f"{file.stem}.npz", found)
        self.folder.add(
            {
                "file_name": file.name,
                "width": found.width,
                "height": found.height,
                "annotations": coco_annotations(found),
            }
        )

    def _info(self) -> dict[str, Any]:
        return {
            "description": "pseudo-masks by Online Agglomerative Pooling",
            **self.asked,
            "photos": None if self.root is None else str(self.root),
        }

    def _write_page(self, names: list[str]) -> None:
        paths = {photo.name: photo.path for photo in self.photos}
        shown = islice(self.folder.records(names), self.max_photos_in_page)
        dataset = {
            "info": self._info(),
            "images": list(numbered_images(self.folder.records(names))),  # the page tells how many there are
            "annotations": list(numbered_annotations(shown)),
        }

        def read(image: dict[str, Any]) -> np.ndarray | None:
            try:
                return read_photo(paths[image["file_name"]])
            except PhotoError:
                return None

        write_page(self.folder.path / "index.html", dataset, read, max_photos=self.max_photos_in_page)

    def _summary(self) -> None:
        costs = self.masker.costs
        table = Table(title=f"{self.made} photos in {self.seconds:.1f} s on {self.masker.device}", title_justify="left")
        for column in ("stage", "s", "ms/photo", "share of encode", "peak memory"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        encode = costs.seconds.get("encode", 0.0)
        for stage, seconds in costs.seconds.items():
            share = f"{seconds / encode:.0%}" if encode else ""
            peak = f"{costs.peak[stage] / 2**20:,.0f} MiB" if stage in costs.peak else ""
            table.add_row(stage, f"{seconds:.2f}", f"{1000 * seconds / max(self.made, 1):.0f}", share, peak)
        self.console.print(table)
        for folder in self.photos.unreadable:
            self.console.print(f"could not look into {folder}", markup=False, soft_wrap=True)
        if self.photos.ignored:
            self.console.print(f"{self.photos.ignored} files that are no images were left aside")
        for name, reason in self.skipped.items():
            self.console.print(f"skipped {name}: {reason}", markup=False, soft_wrap=True)
        state = f", {len(self.skipped)} skipped" if self.skipped else ""
        self.console.print(
            f"{len(self.folder.done)} photos have masks{state}: {self.folder.path}", markup=False, soft_wrap=True
        )


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    return Progress(*columns, TimeRemainingColumn(), console=console)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """The first SIGINT or SIGTERM lets the batch finish; a second one acts at once."""
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
