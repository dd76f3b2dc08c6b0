"""A run over a list of photos: progress, what is skipped, the page, the summary."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from segmentation.base.interruption import interruptible
from segmentation.base.stage_costs import StageCosts
from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
from segmentation.data.photos import PhotoFile, PhotoList
from segmentation.data.prefetch import Decoded, prefetch
from segmentation.export.coco_files import numbered_annotations, numbered_images
from segmentation.export.viewer_page import write_page
from segmentation.runs.run_folder import RunFolder

Found = TypeVar("Found")


@dataclass(frozen=True)
class RunPlan:
    """What a run does.

    Attributes:
        folder: where to.
        photos: which.
        asked: the settings, for ``info`` of the COCO files.
        formats: what to write.
        root: the folder that the names of the photos start from, if there is one.
        batch_size: photos at a time.
        max_photos_in_page: the page holds the first ones only.
    """

    folder: RunFolder
    photos: PhotoList
    asked: dict[str, Any]
    formats: Sequence[str]
    root: Path | None
    batch_size: int
    max_photos_in_page: int


class PhotoRun(ABC, Generic[Found]):
    """Something that is made of many photos, written as it is made.

    Args:
        plan: of the run.
        costs: of the stages, which what makes it counts.
        console: for progress and the summary.

    Attributes:
        skipped: names of photos that could not be read, with the reason.
    """

    description: str  # for ``info`` of the COCO files
    made_in: str  # the stage that others are compared with

    def __init__(self, plan: RunPlan, costs: StageCosts, console: Console) -> None:
        self.plan, self.costs, self.console = plan, costs, console
        self.folder, self.photos, self.formats = plan.folder, plan.photos, plan.formats
        self.paths = {photo.name: photo.path for photo in plan.photos}
        self.skipped: dict[str, str] = {}
        self.made = 0
        self.seconds = 0.0

    @abstractmethod
    def find(self, photos: list[NDArray[np.uint8]]) -> list[Found]:
        """What is made of photos."""

    @abstractmethod
    def write_photo(self, file: PhotoFile, photo: NDArray[np.uint8], found: Found) -> dict[str, Any]:
        """Writes the files of one photo and returns what is to be noted of it, without its name and size."""

    @abstractmethod
    def write_results(self, names: list[str]) -> None:
        """Writes the files of the whole run, for the photos of these names that are finished."""

    def process(self) -> bool:
        """Does all photos that are not done yet; False if it was interrupted (Ctrl-C, SIGTERM)."""
        waiting = [photo for photo in self.photos if photo.name not in self.folder.done]
        if len(waiting) < len(self.photos):
            self.console.print(f"{len(self.photos) - len(waiting)} of {len(self.photos)} photos are done already")
        start = time.perf_counter()
        with _progress(self.console) as bar, interruptible() as asked_to_stop:
            task = bar.add_task("masks", total=len(self.photos), completed=len(self.photos) - len(waiting), rate="")
            with closing(prefetch(waiting, ahead=self.plan.batch_size)) as photos:
                while batch := list(islice(photos, self.plan.batch_size)):
                    self._process_batch(batch)
                    self.seconds = time.perf_counter() - start
                    bar.update(task, advance=len(batch), rate=f"{self.made / self.seconds:.2f} photos/s")
                    if asked_to_stop.is_set():
                        return False
        return True

    def finish(self) -> None:
        """Writes the files of the whole run, and the summary."""
        with self.costs.stage("export"):
            self.write_results([photo.name for photo in self.photos])
        self._summary()

    def info(self) -> dict[str, Any]:
        """For the COCO files."""
        photos = None if self.plan.root is None else str(self.plan.root)
        return {"description": self.description, **self.plan.asked, "photos": photos}

    def read(self, name: str) -> NDArray[np.uint8] | None:
        """A photo of the run once more; None if it cannot be read."""
        try:
            return read_photo(self.paths[name])
        except PhotoError:
            return None

    def write_page(self, names: list[str], **more: Any) -> None:
        """Writes the page; ``more`` is what its dataset has beside images and annotations."""
        shown: Iterable[dict[str, Any]] = islice(self.folder.records(names), self.plan.max_photos_in_page)
        dataset = {
            "info": self.info(),
            "images": list(numbered_images(self.folder.records(names))),  # the page tells how many there are
            "annotations": list(numbered_annotations(shown)),
            **more,
        }
        write_page(
            self.folder.path / "index.html",
            dataset,
            lambda image: self.read(image["file_name"]),
            max_photos=self.plan.max_photos_in_page,
        )

    def _process_batch(self, batch: list[Decoded]) -> None:
        for decoded in batch:
            self.costs.add("decode", decoded.seconds)
            if decoded.error is not None:
                self.skipped[decoded.file.name] = decoded.error.reason
                self.console.print(f"skipped {decoded.file.name}: {decoded.error.reason}", markup=False, soft_wrap=True)
        good = [(decoded.file, decoded.photo) for decoded in batch if decoded.photo is not None]
        found = self.find([photo for _, photo in good])
        with self.costs.stage("export"):
            for (file, photo), own in zip(good, found, strict=True):
                size = {"width": photo.shape[1], "height": photo.shape[0]}
                self.folder.add({"file_name": file.name, **size, **self.write_photo(file, photo, own)})
        self.made += len(good)

    def _summary(self) -> None:
        costs = self.costs
        table = Table(title=f"{self.made} photos in {self.seconds:.1f} s on {costs.device}", title_justify="left")
        for column in ("stage", "s", "ms/photo", f"share of {self.made_in}", "peak memory"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        whole = costs.seconds.get(self.made_in, 0.0)
        for stage, seconds in costs.seconds.items():
            share = f"{seconds / whole:.0%}" if whole else ""
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
