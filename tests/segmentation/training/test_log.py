"""The log of a run, and of one that was interrupted."""

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.training.log import TrainLog, read_log


def steps_of(folder: Path) -> list[int]:
    return [line["step"] for line in read_log(folder)]


def picture(shade: int) -> np.ndarray:
    return np.full((6, 9, 3), shade, dtype=np.uint8)


def log_steps(folder: Path, steps: range, resume_step: int | None = None) -> None:
    with TrainLog(folder, resume_step=resume_step) as log:
        for step in steps:
            log.write(step, {"loss": float(step)})
            log.picture(step, picture(step))


def test_a_line_has_six_digits_and_is_json(tmp_path: Path) -> None:
    figures = {"loss": 1.23456789, "lr": 1.23456789e-7, "count": 12345678, "none": float("nan"), "much": -float("inf")}
    with TrainLog(tmp_path, resume_step=None) as log:
        log.write(3, figures)
        written = json.loads((tmp_path / "log.jsonl").read_text())  # before it is closed
    assert written == {"step": 3, "loss": 1.23457, "lr": 1.23457e-7, "count": 12345678, "none": None, "much": None}
    assert read_log(tmp_path) == [written]


def test_pictures_are_files(tmp_path: Path) -> None:
    log_steps(tmp_path, range(7, 9))
    assert (np.array(Image.open(tmp_path / "panels" / "000007.png")) == picture(7)).all()
    assert len(list((tmp_path / "panels").iterdir())) == 2


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    log_steps(tmp_path, range(1, 10))
    (tmp_path / "panels" / "notes.png").touch()
    log_steps(tmp_path, range(6, 12), resume_step=6)
    assert steps_of(tmp_path) == list(range(1, 12))
    pictures = sorted(path.name for path in (tmp_path / "panels").iterdir())
    assert pictures == [*(f"{step:06d}.png" for step in range(1, 12)), "notes.png"]
    TrainLog(tmp_path, resume_step=4).close()
    assert steps_of(tmp_path) == [1, 2, 3]
    assert not (tmp_path / "panels" / "000004.png").exists()


@pytest.mark.parametrize("torn", ['{"step": 4, "lo', '{"step": 4}', "\n", '[1]\n{"loss": 2}\n'])
def test_a_torn_line_goes(tmp_path: Path, torn: str) -> None:
    log_steps(tmp_path, range(1, 4))
    whole = (tmp_path / "log.jsonl").read_text()
    (tmp_path / "log.jsonl").write_text(whole + torn)
    assert steps_of(tmp_path) == [1, 2, 3]
    log_steps(tmp_path, range(5, 6), resume_step=5)
    assert (tmp_path / "log.jsonl").read_text() == whole + '{"step": 5, "loss": 5.0}\n'


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []
    log_steps(tmp_path, range(1, 4))
    log_steps(tmp_path, range(9, 10))
    assert steps_of(tmp_path) == [9]
    assert [path.name for path in (tmp_path / "panels").iterdir()] == ["000009.png"]
    assert not list(tmp_path.glob(".*"))


def test_without_tensorboard_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with caplog.at_level(logging.WARNING):
        log_steps(tmp_path, range(2))
    assert [record.message for record in caplog.records] == [
        "no TensorBoard files: pip install 'graphpool[train]' for them"
    ]
    assert steps_of(tmp_path) == [0, 1]
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own imports
def test_tensorboard_gets_every_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard (extra 'train')")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_steps(tmp_path, range(1, 8))
    log_steps(tmp_path, range(5, 10), resume_step=5)
    events = EventAccumulator(str(tmp_path / "tensorboard"), {"images": 0}).Reload()  # all of them
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(step, step) for step in range(1, 10)]
    assert [event.step for event in events.Images("panel")] == list(range(1, 10))
    log_steps(tmp_path, range(20, 21))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [20]
