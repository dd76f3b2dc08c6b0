"""Running the command, and reading what it wrote."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from segmentation.predict import predict

NAMES = ["a.png", "b.png", "sub/a.png"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(predict, [str(argument) for argument in arguments])


def options(model: Path, out: Path, *more: object) -> list[object]:
    return ["--model", model, "-o", out, "--device", "cpu", "--confidence", 0.2, "--stuff-area", 9, *more]


def text(result: Result) -> str:
    """The output without line breaks and the frames of messages."""
    return " ".join(result.output.split())


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
