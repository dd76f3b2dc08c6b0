"""Two processes that train together on the CPU, forked from one that has loaded everything.

``python -m tests.segmentation.training.two_runs FOLDER`` trains in ``FOLDER/two`` to the end, and in
``FOLDER/stopped`` with an interruption that only the second process hears of.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.console import Console

from segmentation.models.universal_model import UniversalModel
from segmentation.training.distributed import Processes
from segmentation.training.run import TrainRun
from tests.segmentation.training.tiny import tiny

SETTINGS = tiny(
    "optimizer={steps: 5, batch_size: 4, head_frozen: 1}",
    "views={global_views: 1, local_size: 64}",
    "decoder.channels=64",
    "run.scenes=400",
)


def train(folder: Path, processes: Processes, *, stopped_after: int = 0, resume: bool = False) -> bool:
    with (folder.parent / f"{folder.name}-{processes.rank}-{resume}.txt").open("w") as output:
        run = TrainRun(SETTINGS, folder, processes, Console(file=output, width=200), resume=resume)
        learn = run.train_step.learn

        def interrupted(samples: Any, step: int) -> Any:
            if step + 1 == stopped_after:
                os.kill(os.getpid(), signal.SIGTERM)
            return learn(samples, step)

        run.train_step.learn = interrupted  # type: ignore[method-assign]
        return run.train()


def take_part(folder: Path, rank: int, port: int) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    processes = Processes.start(torch.device("cpu"))
    assert processes.world == 2
    assert train(folder / "two", processes)
    assert not train(folder / "stopped", processes, stopped_after=3 if rank else 0)
    assert train(folder / "stopped", processes, resume=True)
    processes.close()


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    UniversalModel(SETTINGS)  # what is loaded late is loaded now
    # as torchrun does: the parent serves the store, at a port that the system gives it, and the processes use it
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    children = []
    for rank in range(2):
        children.append(os.fork())
        if not children[-1]:
            status = 1
            try:
                take_part(folder, rank, store.port)
                status = 0
            finally:
                os._exit(status)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
