"""Running the command, and reading what it wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from segmentation.pseudo_masks import pseudo_masks

ENCODER = "vit_tiny_patch16_224"
RNG = np.random.default_rng(0)


def scene(height: int, width: int) -> NDArray[np.uint8]:
    photo = np.full((height, width, 3), 90, dtype=np.uint8)
    for _ in range(5):
        top, left = int(RNG.integers(height)), int(RNG.integers(width))
        photo[top : top + height // 2, left : left + width // 2] = RNG.integers(0, 256, 3)
    return photo


NAMES = ["a.png", "b.png", "sub/a.png", "sub/c.jpg"]


def options(weights: Path, out: Path, *more: object) -> list[str]:
    fixed = ("-o", out, "--encoder", ENCODER, "--weights", weights, "--size", 96, "--device", "cpu")
    return [str(option) for option in (*fixed, *more)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(pseudo_masks, [str(argument) for argument in arguments])


def text(result: Result) -> str:
    """The output without line breaks and the frames of messages."""
    return " ".join(result.output.split())


def dataset(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "instances.json").read_text())
    return loaded


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
