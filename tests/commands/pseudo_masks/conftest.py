"""Weights, photos, and a finished run."""

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from click.testing import Result
from PIL import Image

from tests.commands.pseudo_masks.command import ENCODER, options, run, scene


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    safetensors.torch.save_file(timm.create_model(ENCODER).state_dict(), path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, size in (("a.png", (60, 90)), ("b.png", (97, 41)), ("sub/a.png", (120, 120)), ("sub/c.jpg", (33, 200))):
        Image.fromarray(scene(*size)).save(folder / name)
    return folder


@pytest.fixture
def made(photos: Path, weights: Path, tmp_path: Path) -> tuple[Path, Result]:
    """A whole run with every format."""
    out = tmp_path / "out"
    result = run(photos, *options(weights, out, "--format", "coco,overlay,html,npz", "--batch-size", 3))
    assert result.exit_code == 0, result.output
    return out, result
