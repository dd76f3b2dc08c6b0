"""How fast training is on several processes."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def images_per_second(processes: int, steps: int, changes: Sequence[str], folder: Path) -> float:
    """Photos a second of preset ``scenes`` in the second half of a short training under torchrun.

    Args:
        processes: that share the photos of a step, with one thread each.
        steps: of the training.
        changes: of the preset, as ``optimizer.batch_size=4``.
        folder: where the training goes.

    Raises:
        RuntimeError: the training failed.
    """
    asked = [f"optimizer.steps={steps}", "run.log_every=1", f"run.save_every={steps}", f"run.panels_every={steps}"]
    words = [word for change in (*asked, *changes) for word in ("--set", change)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "segmentation.train", "--preset", "scenes", "--device", "cpu", "-o", str(folder / "run"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=_ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    log = folder / "run" / "log.jsonl"
    if done.returncode or not log.exists():
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise RuntimeError(f"training on {processes} processes failed with exit status {done.returncode}: {last}")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    speeds = [line["images_per_second"] for line in lines if line.get("images_per_second")]
    return statistics.median(speeds[len(speeds) // 2 :])
