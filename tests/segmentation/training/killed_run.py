"""Kills a training run at every moment of a step, and resumes it each time.

``python -m tests.segmentation.training.killed_run FOLDER`` trains once without kills in ``FOLDER/whole`` and once with
kills in ``FOLDER/killed``. Each process of the second run is killed at its nth event: a step that was learned, half of
a checkpoint that was written, a file that was written, a file that replaced its predecessor. It prints for each process
the number of steps that it had learned, and the step of the checkpoint that it left. The processes are forks of one,
which has loaded everything.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from segmentation.models.files import SETTINGS_FILE
from segmentation.models.universal_model import UniversalModel
from segmentation.training.checkpoint import CHECKPOINT, load_checkpoint
from tests.segmentation.training.tiny import start, tiny

SETTINGS_OF_BOTH = tiny("optimizer.steps=12", "run={save_every: 1, panels_every: 1000}")
EVENTS = range(1, 20)  # the first step and the second: each event of a save, and more


class Events:
    """Counts the events of a process, and kills it at the given one."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.seen = fatal, 0

    def happen(self) -> None:
        self.seen += 1
        if self.seen == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with an event behind it."""

        def followed(*given: Any, **named: Any) -> Any:
            result = function(*given, **named)
            self.happen()
            return result

        return followed

    def save(self, state: Any, path: Path) -> None:
        """``torch.save`` with an event in the middle of the file."""
        written = io.BytesIO()
        TORCH_SAVE(state, written)
        with path.open("wb") as file:
            file.write(written.getvalue()[: len(written.getvalue()) // 2])
            file.flush()
            self.happen()
            file.write(written.getvalue()[len(written.getvalue()) // 2 :])


TORCH_SAVE = torch.save


def train(folder: Path, pipe: int, fatal: int) -> None:
    """Trains, or resumes, until the fatal event or the end; writes a byte into the pipe for each step."""
    run = start(SETTINGS_OF_BOTH, folder, resume=(folder / SETTINGS_FILE).exists())
    events, learn = Events(fatal), run.train_step.learn

    def tell(samples: Any, step: int) -> Any:
        report = learn(samples, step)
        os.write(pipe, b".")
        events.happen()
        return report

    run.train_step.learn = tell  # type: ignore[method-assign]
    os.fsync, Path.replace = events.after(os.fsync), events.after(Path.replace)  # type: ignore[method-assign]
    torch.save = events.save
    run.train()


def trained(folder: Path, fatal: int = 0) -> tuple[int, int]:
    """Trains in a process of its own; the number of steps that it learned, and its exit status."""
    seen, pipe = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            train(folder, pipe, fatal)
            status = 0
        finally:
            os._exit(status)
    os.close(pipe)
    with open(seen, "rb") as file:
        learned = len(file.read())
    return learned, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    UniversalModel(SETTINGS_OF_BOTH)  # what is loaded late is loaded now
    _, status = trained(folder / "whole")
    assert status == 0
    for fatal in EVENTS:
        learned, status = trained(folder / "killed", fatal)
        if status == 0:  # it came to the last step before
            return
        assert status == -signal.SIGKILL
        there = (folder / "killed" / CHECKPOINT).exists()
        print(learned, load_checkpoint(folder / "killed")["step"] if there else 0)  # what is there is whole
    assert trained(folder / "killed")[1] == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
