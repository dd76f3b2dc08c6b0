"""One thread, small pictures, photos to train on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segmentation.scene_generator.scene import make_scene


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)  # before fixtures of modules train


@pytest.fixture(autouse=True)
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures in the log have tests of their own, and cost as much as ten steps."""
    monkeypatch.setattr("segmentation.training.run.training_panel", lambda *_: np.zeros((4, 4, 3), dtype=np.uint8))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, name in enumerate(("a.png", "b.png", "c.jpg")):
        Image.fromarray(make_scene(index, size=72).photo).save(folder / name)
    return folder
