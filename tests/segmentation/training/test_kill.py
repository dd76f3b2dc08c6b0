"""Runs that are killed, and runs that are asked to stop."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from segmentation.training.checkpoint import load_checkpoint
from tests.segmentation.training.tiny import TINY, differences, results

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def test_kills_at_every_moment_of_a_step_change_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.segmentation.training.killed_run", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lives = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(lives) > 10
    for (_, before), (learned, after) in pairwise([(0, 0), *lives]):
        assert before + max(0, learned - 1) <= after <= before + learned  # a step is saved before the next is learned
    assert {after - before - learned for (_, before), (learned, after) in pairwise([(0, 0), *lives])} == {-1, 0}
    assert differences(results(tmp_path / "whole"), results(tmp_path / "killed")) == []
    assert not list((tmp_path / "killed").rglob(".*"))


def test_asked_to_stop_it_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    """The signal goes to the whole process group, as batch systems send it: workers get it too."""
    folder = tmp_path / "run"
    changes = [part for change in (*TINY, "optimizer.steps=100000", "run.workers=1") for part in ("--set", change)]
    command = [sys.executable, "-m", "segmentation.train", *changes, "-o", str(folder), "--device", "cpu"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            log = folder / "log.jsonl"
            while not (log.exists() and log.stat().st_size):
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGTERM)
            output, complaints = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
    step = load_checkpoint(folder)["step"]
    assert 1 <= step < 100000
    assert f"stopped after step {step}; go on with --resume" in output
    assert (folder / "model.safetensors").exists()
