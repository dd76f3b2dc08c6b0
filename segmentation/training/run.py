"""Runs a training from settings to a model, through interruptions and resumption."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console

from segmentation.base.interruption import interruptible
from segmentation.config.load import to_plain
from segmentation.config.training import TrainSettings, ViewSettings
from segmentation.data.views import Sample
from segmentation.models.files import (
    MODEL_FILE,
    SETTINGS_FILE,
    load_model_state,
    load_settings,
    load_states,
    save_model,
    save_settings,
)
from segmentation.models.universal_model import UniversalModel
from segmentation.training.batches import TrainBatches
from segmentation.training.checkpoint import CHECKPOINT, check_same, load_checkpoint, remove_leftovers, save_checkpoint
from segmentation.training.distributed import Processes
from segmentation.training.log import TrainLog
from segmentation.training.panels import training_panel
from segmentation.training.progress import TrainProgress
from segmentation.training.step import TrainStep


class TrainRun:
    """Trains a segmentor in a folder.

    Args:
        settings: settings of the training.
        folder: output folder.
        processes: processes that share the work.
        console: console for progress and messages.
        resume: whether to continue the run in the folder.
        overwrite: whether to replace a run in the folder.
        init_from: folder of a trained model to start from.
        limit: seconds after which the run stops, to be resumed later.

    Attributes:
        step: number of finished steps.
        skipped: photos that could not be read, with the reason.

    Raises:
        FileExistsError: the folder has a run, and neither ``resume`` nor ``overwrite``.
        FileNotFoundError, ValueError: settings that cannot be run, or a checkpoint that does not fit.
    """

    def __init__(
        self,
        settings: TrainSettings,
        folder: Path,
        processes: Processes,
        console: Console,
        *,
        resume: bool = False,
        overwrite: bool = False,
        init_from: Path | None = None,
        limit: float | None = None,
    ) -> None:
        self.settings, self.folder, self.processes, self.console = settings, folder, processes, console
        self.limit = limit
        self.began = time.monotonic()
        there = (folder / SETTINGS_FILE).exists()
        if there and not resume and not overwrite:
            raise FileExistsError(
                f"'{folder}' has an earlier run: continue it with --resume, replace it with --overwrite, or choose "
                "another folder"
            )
        if resume and not there:
            raise FileNotFoundError(f"'{folder}' has no run to resume: there is no {SETTINGS_FILE}")
        if resume:
            check_same(to_plain(asdict(load_settings(folder))), to_plain(asdict(settings)))
        self.batches = TrainBatches(settings, processes.rank, processes.world)
        student = first_student(settings, init_from)
        _check_sizes(settings.views, student.encoder.patch_size)
        self.train_step = TrainStep(student, settings, processes)
        self.step = 0
        self.skipped: dict[str, str] = {}
        if processes.is_main:
            self._prepare(resume)
        processes.barrier()
        if resume and (folder / CHECKPOINT).exists():  # else it was interrupted before the first one
            self._restore()
        self.log: TrainLog | None = None

    def train(self) -> bool:
        """Trains to the last step; returns False if the run was interrupted, which loses nothing.

        Raises:
            NonFiniteLoss: the loss is no finite number any more.
        """
        for folder in self.batches.unreadable:
            self._say(f"could not look into {folder}")
        steps = self.settings.optimizer.steps
        with (
            interruptible() as asked_to_stop,
            self._logging(),
            TrainProgress(self.console, steps, self.step, self.processes) as bar,
            closing(self.batches.starting_at(self.step)) as batches,
        ):
            for samples in batches:
                report = self.train_step.learn(samples, self.step)
                self._note_skipped(samples)
                self.step += 1
                bar.advance(report.figures, self.settings.optimizer.batch_size)
                if report.warning is not None:
                    self._say(f"step {self.step}: {report.warning}")
                self._record(report.figures, samples, bar.images_per_second)
                last = self.step == steps
                out_of_time = self.limit is not None and time.monotonic() - self.began > self.limit
                stop = self.processes.agree(asked_to_stop.is_set() or out_of_time)
                if self.step % self.settings.run.save_every == 0 or stop or last:
                    self._save()
                if stop and not last:
                    self._say(f"stopped after step {self.step}; go on with --resume")
                    return False
        return True

    def _prepare(self, resume: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        if not resume:
            for left in (CHECKPOINT, MODEL_FILE, "index.html"):
                (self.folder / left).unlink(missing_ok=True)
            save_settings(self.folder, self.settings)

    @contextmanager
    def _logging(self) -> Iterator[None]:
        if not self.processes.is_main:
            yield
            return
        with TrainLog(self.folder, resume_step=self.step + 1 if self.step else None) as self.log:
            yield

    def _record(self, figures: dict[str, float], samples: list[Sample], rate: float) -> None:
        run, last = self.settings.run, self.step == self.settings.optimizer.steps
        if self.log is None:
            return
        if self.step % run.log_every == 0 or self.step == 1 or last:
            self.log.write(self.step, {**figures, "images_per_second": rate})
        if self.step % run.panels_every == 0 or last:
            self.log.picture(self.step, training_panel(self.train_step.teacher, samples[:4]))

    def _note_skipped(self, samples: list[Sample]) -> None:
        for sample in samples:
            for entry in sample.skipped:
                name, _, reason = entry.partition(": ")
                if name not in self.skipped:
                    self.skipped[name] = reason
                    self._say(f"skipped {name}: {reason}")

    def _save(self) -> None:
        if self.processes.is_main:
            save_model(self.folder, self.train_step.teacher.model.state_dict(), self.settings)
            state = {
                "step": self.step,
                "settings": to_plain(asdict(self.settings)),
                "parts": self.train_step.state_dict(),
                "optimizer": self.train_step.optimizer.state_dict(),
                "skipped": self.skipped,
            }
            save_checkpoint(self.folder, state)
        self.processes.barrier()

    def _restore(self) -> None:
        saved = load_checkpoint(self.folder, self.processes.device)
        check_same(saved["settings"], to_plain(asdict(self.settings)))
        load_states({"the run": (self.train_step, saved["parts"])})
        self.train_step.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.skipped = saved["step"], saved["skipped"]

    def _say(self, text: str) -> None:
        if self.processes.is_main:
            self.console.print(text, markup=False, soft_wrap=True)


def _check_sizes(views: ViewSettings, patch: int) -> None:
    used = {"size": 1, "local_size": views.local_views}
    for name, size in ((name, getattr(views, name)) for name, count in used.items() if count):
        if size % patch:
            raise ValueError(f"'views.{name}' must be a multiple of the patch of {patch}, got {size}")


def first_student(settings: TrainSettings, init_from: Path | None = None) -> UniversalModel:
    """Makes the student before the first step: always the same for the same settings.

    Args:
        settings: settings of the training.
        init_from: folder of a trained model whose weights it takes.

    Raises:
        FileNotFoundError, ValueError: no model there, or one of another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.run.seed)
        student = UniversalModel(settings, load_encoder=init_from is None)
    if init_from is not None:
        load_states({str(init_from): (student, load_model_state(init_from))})
    return student
