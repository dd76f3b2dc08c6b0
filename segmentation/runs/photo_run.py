"""A run over a list of photos: progress, what is skipped, the page, the summary."""

import time
from abc import ABC, abstractmethod
from contextlib import closing
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from segmentation.base.device import StageCosts
from segmentation.base.interruption import interruptible
from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
from segmentation.data.photos import PhotoFile
from segmentation.data.prefetch import Decoded, prefetch
from segmentation.export.coco_files import numbered_annotations, numbered_images
from segmentation.export.viewer_page import write_page
from segmentation.runs.run_folder import RunFolder
from segmentation.runs.run_plan import RunPlan

Masks = TypeVar("Masks")


class PhotoRun(ABC, Generic[Masks]):
    """Makes masks of many photos and writes those of each photo as soon as they are made.

    Args:
        plan: what to do.
        recorded: settings that determine the masks, in JSON's types.
        costs: costs of the stages, which the maker of the masks counts.

    Attributes:
        folder: the run in its folder.
        skipped: names of photos that could not be read, with the reason.

    Raises:
        FileExistsError, ValueError: see :class:`~segmentation.runs.run_folder.RunFolder`.
    """

    description: str  # for ``info`` of the COCO files
    made_in: str  # stage that the others are compared with

    def __init__(self, plan: RunPlan, recorded: dict[str, Any], costs: StageCosts) -> None:
        self.plan, self.photos, self.formats, self.costs = plan, plan.photos, plan.formats, costs
        self.recorded = {**recorded, "dtype": plan.dtype, "format": list(plan.formats)}
        self.folder = RunFolder(plan.output, self.recorded, resume=plan.resume, overwrite=plan.overwrite)
        self.console = Console(stderr=True, highlight=False)
        self.paths = {photo.name: photo.path for photo in plan.photos}
        self.skipped: dict[str, str] = {}
        self.made = 0
        self.seconds = 0.0

    @abstractmethod
    def predict(self, photos: list[NDArray[np.uint8]]) -> list[Masks]:
        """Makes the masks of a batch of photos."""

    @abstractmethod
    def write_photo(self, file: PhotoFile, photo: NDArray[np.uint8], masks: Masks) -> dict[str, Any]:
        """Writes the files of one photo and returns its record for the journal, without name and size."""

    @abstractmethod
    def write_results(self, names: list[str]) -> None:
        """Writes the files of the whole run, from the records of the finished ones of these photos."""

    def process(self) -> bool:
        """Makes and writes the masks of all photos that are not done yet.

        Returns:
            False if it was interrupted (Ctrl-C, SIGTERM).
        """
        waiting = [photo for photo in self.photos if photo.name not in self.folder.done]
        done = len(self.photos) - len(waiting)
        if done:
            self.console.print(f"{done} of {len(self.photos)} photos are done already")
        start = time.perf_counter()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")
        with (
            Progress(*columns, TimeRemainingColumn(), console=self.console) as bar,
            interruptible() as asked_to_stop,
            closing(prefetch(waiting, ahead=self.plan.batch_size)) as photos,
        ):
            task = bar.add_task("masks", total=len(self.photos), completed=done, rate="")
            while batch := list(islice(photos, self.plan.batch_size)):
                self._process_batch(batch)
                self.seconds = time.perf_counter() - start
                bar.update(task, advance=len(batch), rate=f"{self.made / self.seconds:.2f} photos/s")
                if asked_to_stop.is_set():
                    return False
        return True

    def finish(self) -> None:
        """Writes the files of the whole run and prints the summary."""
        with self.costs.stage("export"):
            self.write_results([photo.name for photo in self.photos])
        self._print_summary()

    def info(self) -> dict[str, Any]:
        """Returns ``info`` of the COCO files."""
        root = self.plan.root
        return {"description": self.description, **self.recorded, "photos": None if root is None else str(root)}

    def read(self, name: str) -> NDArray[np.uint8] | None:
        """Reads a photo of the run once more; None if it cannot be read."""
        try:
            return read_photo(self.paths[name])
        except PhotoError:
            return None

    def write_page(self, names: list[str], **more: Any) -> None:
        """Writes the page; ``more`` is what its dataset has beside images and annotations."""
        most = self.plan.max_photos_in_page
        dataset = {
            "info": self.info(),
            "images": list(numbered_images(self.folder.records(names))),  # the page tells how many there are
            "annotations": list(numbered_annotations(islice(self.folder.records(names), most))),
            **more,
        }
        page = self.folder.path / "index.html"
        write_page(page, dataset, lambda image: self.read(image["file_name"]), max_photos=most)

    def _process_batch(self, batch: list[Decoded]) -> None:
        for decoded in batch:
            self.costs.add("decode", decoded.seconds)
            if decoded.error is not None:
                self.skipped[decoded.file.name] = decoded.error.reason
                self._say(f"skipped {decoded.file.name}: {decoded.error.reason}")
        good = [(decoded.file, decoded.photo) for decoded in batch if decoded.photo is not None]
        predictions = self.predict([photo for _, photo in good])
        with self.costs.stage("export"):
            for (file, photo), masks in zip(good, predictions, strict=True):
                size = {"width": photo.shape[1], "height": photo.shape[0]}
                self.folder.add({"file_name": file.name, **size, **self.write_photo(file, photo, masks)})
        self.made += len(good)

    def _print_summary(self) -> None:
        costs = self.costs
        table = Table(title=f"{self.made} photos in {self.seconds:.1f} s on {costs.device}", title_justify="left")
        for column in ("stage", "s", "ms/photo", f"share of {self.made_in}", "peak memory"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        reference = costs.seconds.get(self.made_in, 0.0)
        for stage, seconds in costs.seconds.items():
            share = f"{seconds / reference:.0%}" if reference else ""
            peak = f"{costs.peak[stage] / 2**20:,.0f} MiB" if stage in costs.peak else ""
            table.add_row(stage, f"{seconds:.2f}", f"{1000 * seconds / max(self.made, 1):.0f}", share, peak)
        self.console.print(table)
        for folder in self.photos.unreadable:
            self._say(f"could not look into {folder}")
        if self.photos.ignored:
            self.console.print(f"{self.photos.ignored} files that are no images were left aside")
        for name, reason in self.skipped.items():
            self._say(f"skipped {name}: {reason}")
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        self._say(f"{len(self.folder.done)} photos have masks{skipped}: {self.folder.path}")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)
