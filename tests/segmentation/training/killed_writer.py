"""Kills a process that writes checkpoints, again and again, and looks at what it leaves.

``python -m tests.segmentation.training.killed_writer FOLDER TIMES`` prints the step that was found after each kill.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from segmentation.training.checkpoint import load_checkpoint, save_checkpoint

SIZE = 400_000


def write_for_ever(folder: Path, step: int) -> None:
    while True:
        step += 1
        save_checkpoint(folder, {"step": step, "weights": torch.full((SIZE,), float(step))})


def main(folder: Path, times: int) -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    save_checkpoint(folder, {"step": 0, "weights": torch.zeros(SIZE)})
    one_write = time.perf_counter() - start
    for _ in range(times):
        before = load_checkpoint(folder)["step"]
        child = os.fork()
        if not child:
            write_for_ever(folder, before)
        time.sleep(random.uniform(0.5, 4) * one_write)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = load_checkpoint(folder)
        assert found["step"] >= before
        assert (found["weights"] == found["step"]).all()
        print(found["step"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
