"""Loads the batches of a training run, from any step on."""

import os
import signal
from collections.abc import Generator, Sequence
from pathlib import Path

from torch.utils.data import DataLoader

from segmentation.config.training import TrainSettings
from segmentation.data.order import SampleOrder
from segmentation.data.photos import PhotoList, find_photos
from segmentation.data.training_photos import ScenePhoto, TrainingPhoto, TrainingPhotos
from segmentation.data.views import Sample


class TrainBatches:
    """The batches of one process.

    Args:
        settings: settings of the training.
        rank: rank of the process.
        world: number of processes.

    Attributes:
        photos: number of photos, or of scenes.
        lists: photos found in each folder.

    Raises:
        FileNotFoundError, ValueError: no such folder, no photos in one, or none that can be read; a batch that cannot
            be shared.
    """

    def __init__(self, settings: TrainSettings, rank: int = 0, world: int = 1) -> None:
        self.settings, self.rank, self.world = settings, rank, world
        run = settings.run
        if settings.optimizer.batch_size % world:
            raise ValueError(
                f"'optimizer.batch_size' must be a multiple of the {world} processes, got "
                f"{settings.optimizer.batch_size}"
            )
        self.lists: list[PhotoList] = [find_photos([Path(folder)]) for folder in run.photos]
        sources: list[Sequence[TrainingPhoto]] = [*self.lists]
        if not sources:
            if not run.scenes:
                raise ValueError("nothing to train on: give photos with --data FOLDER")
            sources = [[ScenePhoto(number, run.seed, settings.views.size) for number in range(run.scenes)]]
        self.dataset = TrainingPhotos(sources, settings.views, run.seed, run.fixed_views)
        self.order = SampleOrder([len(source) for source in sources], run.sampling or None, run.seed)
        self.photos = len(self.dataset)
        if self.lists:
            self.dataset[0, 0]  # where none can be read, this says so better than a worker

    @property
    def unreadable(self) -> list[Path]:
        """Lists the folders that could not be read."""
        return [folder for found in self.lists for folder in found.unreadable]

    def starting_at(self, step: int) -> Generator[list[Sample], None, None]:
        """Yields this process's samples of each step from ``step`` to the last; closing it ends its workers."""
        workers = min(self.settings.run.workers, os.cpu_count() or 1)
        optimizer = self.settings.optimizer
        steps = range(step, optimizer.steps)
        loader = DataLoader(
            self.dataset,
            batch_sampler=(self.order.batch(step, optimizer.batch_size, self.rank, self.world) for step in steps),
            num_workers=workers,
            collate_fn=list,
            persistent_workers=False,
            worker_init_fn=_ignore_signals,
        )
        batches = iter(loader)
        try:
            yield from batches
        finally:
            if workers:  # else an error that holds the iterator keeps them alive, and Python waits for them at its end
                batches._shutdown_workers()  # type: ignore[attr-defined]


def _ignore_signals(_worker: int) -> None:
    """Leaves signals to the main process, which stops its workers when it is ready."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
