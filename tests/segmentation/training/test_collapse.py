"""The monitor in a run: it tells of a collapse, and of nothing else."""

from pathlib import Path

import pytest

from segmentation.teaching import collapse
from tests.segmentation.training.tiny import said, start, tiny

pytestmark = pytest.mark.usefixtures("as_users_call_it")  # long runs, of parts whose types are checked elsewhere
STEPS = 45


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "PATIENCE", 25)


def warned(folder: Path, *changes: str) -> tuple[str, int]:
    """What a run says, and the step after which it collapsed (or that it ended with)."""
    quiet = "run={scenes: 400, save_every: 1000, log_every: 20}"
    run = start(tiny(f"optimizer={{steps: {STEPS}, warmup: 20}}", quiet, *changes), folder)
    learn = run.train_step.learn

    def until_it_warns(samples, step):
        report = learn(samples, step)
        if report.warning is not None:
            run.limit = 1e-9  # has told what it is here for
        return report

    run.train_step.learn = until_it_warns
    run.train()
    return said(run), run.step


def test_a_collapse_is_told(tmp_path: Path) -> None:
    text, step = warned(tmp_path, "losses={teacher_temperature: [1, 1], centering: false}")
    assert step < STEPS
    expected = "collapse: the teacher puts every segment in all clusters alike; lower losses.teacher_temperature"
    assert f"step {step}: {expected}" in text


def test_a_healthy_run_is_not(tmp_path: Path) -> None:
    text, step = warned(tmp_path)
    assert step == STEPS
    assert "collapse" not in text
