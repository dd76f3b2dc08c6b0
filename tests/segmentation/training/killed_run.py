"""Kills a training run again and again, and lets it go on each time.

``python -m tests.segmentation.training.killed_run FOLDER KILLS`` trains once undisturbed in ``FOLDER/whole`` and once
with kills in ``FOLDER/killed``, and prints for each life how many steps it was seen to learn before it was killed, and
the step of the checkpoint that it left. Lives are forks of one process, which has loaded everything already.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from segmentation.models.files import SETTINGS_FILE
from segmentation.models.universal_model import UniversalModel
from segmentation.training.checkpoint import CHECKPOINT, load_checkpoint
from tests.segmentation.training.tiny import start, tiny

SETTINGS_OF_BOTH = tiny("optimizer.steps=50", "run={save_every: 1, panels_every: 1000}")
MOST_STEPS = 3  # of a life


def live(folder: Path, learned: int) -> None:
    """Trains, or goes on, to the end; a byte into the pipe for each step."""
    run = start(SETTINGS_OF_BOTH, folder, resume=(folder / SETTINGS_FILE).exists())
    learn = run.train_step.learn

    def tell(samples: Any, step: int) -> Any:
        report = learn(samples, step)
        os.write(learned, b".")
        return report

    run.train_step.learn = tell  # type: ignore[method-assign]
    run.train()


def born(folder: Path) -> tuple[int, int]:
    """The number of a process that trains, and the pipe with its steps."""
    seen, learned = os.pipe()
    child = os.fork()
    if child:
        os.close(learned)
        return child, seen
    status = 1
    try:
        live(folder, learned)
        status = 0
    finally:
        os._exit(status)


def ended(child: int, seen: int) -> int:
    """Its exit status."""
    os.close(seen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def saved(folder: Path) -> int:
    """The step of the checkpoint, which must be whole."""
    return load_checkpoint(folder)["step"] if (folder / CHECKPOINT).exists() else 0


def undisturbed(folder: Path) -> tuple[float, float]:
    """Trains without kills; seconds until the first step is done, and of each later one."""
    times = [time.perf_counter()]
    child, seen = born(folder)
    while os.read(seen, 1):
        times.append(time.perf_counter())
    assert ended(child, seen) == 0
    return times[1] - times[0], (times[-1] - times[1]) / (len(times) - 2)


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    UniversalModel(SETTINGS_OF_BOTH)  # what is loaded late is loaded now
    until_first, each = undisturbed(folder / "whole")
    for kill in range(kills):
        child, seen = born(folder / "killed")
        steps = kill % (MOST_STEPS + 1)
        for _ in range(steps):
            os.read(seen, 1)
        time.sleep(random.uniform(0, 1.5 * each if steps else until_first))
        os.kill(child, signal.SIGKILL)
        assert ended(child, seen) == -signal.SIGKILL
        print(steps, saved(folder / "killed"))
    assert ended(*born(folder / "killed")) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
