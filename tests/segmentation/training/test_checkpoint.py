"""Checkpoints: what comes back, what a kill leaves, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from segmentation.training.checkpoint import check_same, load_checkpoint, remove_leftovers, save_checkpoint

ROOT = Path(__file__).parents[3]


def test_everything_comes_back(tmp_path: Path) -> None:
    network = nn.Linear(4, 3)
    optimizer = torch.optim.AdamW([{"params": network.parameters(), "lr_factor": 0.1}])
    network(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    state = {
        "step": 12,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "settings": {"name": "ä", "sizes": [1, 2.5], "pair": (1, None), "none": None, "yes": True},
    }
    save_checkpoint(tmp_path / "run", state)
    found = load_checkpoint(tmp_path / "run")
    assert found["settings"] == state["settings"]
    assert found["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    assert torch.equal(found["random"], torch.get_rng_state())
    assert all(torch.equal(found["network"][name], value) for name, value in network.state_dict().items())
    again = torch.optim.AdamW([{"params": network.parameters(), "lr_factor": 0.1}])
    again.load_state_dict(found["optimizer"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint.pt"]


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.segmentation.training.killed_writer", str(tmp_path), "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    steps = list(map(int, done.stdout.split()))
    assert len(steps) == 10
    assert steps[-1] > 0
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_only_leftovers_of_processes_that_are_gone_go(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / "panels").mkdir()
    alive, own = os.getppid(), os.getpid()
    gone = [f".{child.pid}.checkpoint.pt", f"panels/.{child.pid}.000100.png", f".{own}.a", f".{10**30}.b"]
    stays = [f".{alive}.checkpoint.pt", ".hidden.pt", ".12", "12.pt", f"{child.pid}.log.jsonl"]
    for name in [*gone, *stays]:
        (tmp_path / name).touch()
    (tmp_path / f".{child.pid}.folder").mkdir()
    remove_leftovers(tmp_path)
    assert not [name for name in gone if (tmp_path / name).exists()]
    assert [name for name in stays if (tmp_path / name).exists()] == stays
    remove_leftovers(tmp_path / "nowhere")


def test_no_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no run to resume: there is no checkpoint\.pt"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "text"])
def test_damage_is_said(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, {"step": 1, "weights": torch.randn(2000)})
    path = tmp_path / "checkpoint.pt"
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    path.write_bytes({"empty": b"", "half": whole[:middle], "flipped": flipped, "text": b"step: 1\n"}[damage])
    with pytest.raises(ValueError, match=r"checkpoint\.pt' is damaged or no checkpoint: "):
        load_checkpoint(tmp_path)


def test_code_is_not_run_and_other_contents_are_refused(tmp_path: Path) -> None:
    torch.save({"path": Path("x")}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        load_checkpoint(tmp_path)
    torch.save([1, 2], tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"is no checkpoint: it holds list \[1, 2\]"):
        load_checkpoint(tmp_path)


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"'state\['a'\]\[1\]' must be a tensor, number, text, list or dict, got .*Path"
    ):
        save_checkpoint(tmp_path, {"a": [1, Path("x")]})
    assert not list(tmp_path.iterdir())


def test_other_settings_are_named() -> None:
    saved = {"optimizer": {"lr": 0.1, "steps": 5}, "run": {"photos": ["a"], "old": 1}, "encoder": {"options": {}}}
    check_same(saved, saved)
    now = {"optimizer": {"lr": 0.1, "steps": 6}, "run": {"photos": ["b"], "new": 2}, "encoder": {"options": {}}}
    expected = (
        "the checkpoint has other settings, which --resume cannot mix: optimizer.steps was 5 and is 6; "
        "run.photos was ['a'] and is ['b']; run.old was 1 and is not there; run.new was not there and is 2"
    )
    with pytest.raises(ValueError, match="other settings") as error:
        check_same(saved, now)
    assert str(error.value) == expected
    with pytest.raises(ValueError, match=r"; and 12 more$"):
        check_same({}, {str(key): key for key in range(20)})
