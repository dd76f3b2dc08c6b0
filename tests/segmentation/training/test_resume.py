"""Runs that stop and go on, and folders that have a run already."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from segmentation.training.run import TrainRun
from tests.segmentation.training.tiny import FROZEN, WINDOWS, differences, results, said, start, tiny

pytestmark = pytest.mark.usefixtures("as_users_call_it")  # long runs, of parts whose types are checked elsewhere


class Crash(Exception):
    """Whatever ends a process."""


def during(run: TrainRun, step: int, happens: Any) -> TrainRun:
    """Lets something happen in the course of a step, counted from 1."""
    learn = run.train_step.learn

    def interrupted(samples: Any, index: int) -> Any:
        report = learn(samples, index)
        if index + 1 == step:
            happens()
        return report

    run.train_step.learn = interrupted  # type: ignore[method-assign]
    return run


def crash() -> None:
    raise Crash


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def times(folder: Path) -> dict[str, int]:
    names = ("checkpoint.pt", "model.safetensors", "config.yaml")
    return {name: (folder / name).stat().st_mtime_ns for name in names}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, from Python 3.12 on
@pytest.mark.parametrize(
    "changes",
    [(), FROZEN, WINDOWS, ("run.workers=1",), ("optimizer={accumulate: 2, batch_size: 4}", "views.global_views=1")],
    ids=[
        "from scratch",
        "frozen encoder and cached views",
        "windows of cached views",
        "a worker",
        "parts of a batch, views of two sizes",
    ],
)
def test_a_run_goes_on_as_if_it_had_not_stopped(changes: tuple[str, ...], tmp_path: Path) -> None:
    settings = tiny(*changes, "run.panels_every=1")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(settings, whole).train()

    asked = during(start(settings, broken), 3, terminate)
    assert not asked.train()
    assert "stopped after step 3; go on with --resume" in said(asked)
    with pytest.raises(Crash):  # what was done since the checkpoint is done again
        during(start(settings, broken, resume=True), 6, crash).train()
    assert not multiprocessing.active_children()  # which Python would wait for at its end
    late = start(settings, broken, resume=True, limit=1e-9)
    assert not late.train()
    assert "stopped after step " in said(late)
    assert start(settings, broken, resume=True).train()
    assert differences(results(whole), results(broken)) == []


def test_before_the_first_checkpoint(tmp_path: Path) -> None:
    settings = tiny("optimizer.steps=3")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(settings, whole).train()
    with pytest.raises(Crash):
        during(start(settings, broken), 1, crash).train()
    assert not (broken / "checkpoint.pt").exists()
    with pytest.raises(ValueError, match=r"cannot mix: optimizer\.lr was 0\.001 and is 0\.5$"):
        start(tiny("optimizer.steps=3", "optimizer.lr=0.5"), broken, resume=True)
    assert start(settings, broken, resume=True).train()
    assert differences(results(whole), results(broken)) == []


def test_other_settings_are_named(tmp_path: Path) -> None:
    settings = tiny("optimizer.steps=2")
    assert start(settings, tmp_path).train()
    before = results(tmp_path)
    other = tiny("optimizer={steps: 2, lr: 0.5}", "decoder.layers=2", "run.seed=1")
    with pytest.raises(ValueError, match="other settings") as error:
        start(other, tmp_path, resume=True)
    assert str(error.value) == (
        "the checkpoint has other settings, which --resume cannot mix: decoder.layers was 1 and is 2; "
        "optimizer.lr was 0.001 and is 0.5; run.seed was 0 and is 1"
    )
    assert differences(before, results(tmp_path)) == []


def test_a_finished_run_has_nothing_to_do(tmp_path: Path) -> None:
    settings = tiny("optimizer.steps=2")
    assert start(settings, tmp_path).train()
    before, at = results(tmp_path), times(tmp_path)
    again = start(settings, tmp_path, resume=True)
    assert again.train()
    assert again.step == 2
    assert differences(before, results(tmp_path)) == []
    assert times(tmp_path) == at


def test_an_earlier_run_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    first, second = tiny("optimizer.steps=3", "run.panels_every=1"), tiny("optimizer.steps=2", "run.seed=1")
    assert start(first, tmp_path / "run").train()
    (tmp_path / "run" / "index.html").write_text("its page")
    before, at = results(tmp_path / "run"), times(tmp_path / "run")
    message = r"has an earlier run: continue it with --resume, replace it with --overwrite, or choose another folder"
    with pytest.raises(FileExistsError, match=message):
        start(second, tmp_path / "run")
    assert differences(before, results(tmp_path / "run")) == []
    assert times(tmp_path / "run") == at

    assert start(second, tmp_path / "run", overwrite=True).train()
    assert start(second, tmp_path / "fresh").train()
    assert differences(results(tmp_path / "run"), results(tmp_path / "fresh")) == []
    assert not (tmp_path / "run" / "index.html").exists()


def test_there_must_be_a_run_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no run to resume: there is no config\.yaml"):
        start(tiny(), tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()
