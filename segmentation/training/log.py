"""Writes the log of a training run: JSON lines, pictures, and both in TensorBoard."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from segmentation.base.replace_file import replacing

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_LOG, _PANELS, _TENSORBOARD = "log.jsonl", "panels", "tensorboard"


class TrainLog:
    """Writes ``log.jsonl``, ``panels/STEP.png`` and, with the extra ``train``, ``tensorboard/`` into a run's folder.

    Only the main process has one. Without TensorBoard a warning in Python's log says so.

    Args:
        folder: folder of the run, made where missing.
        resume_step: first step that will be logged: entries of it and of later steps are removed. None begins a new
            log.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     with TrainLog(Path(name), resume_step=None) as log:
        ...         log.write(1, {"loss": 1 / 3})
        ...     read_log(Path(name))
        [{'step': 1, 'loss': 0.333333}]
    """

    def __init__(self, folder: Path, *, resume_step: int | None) -> None:
        self.folder = folder
        _forget(folder, 0 if resume_step is None else resume_step)
        self._file = (folder / _LOG).open("a", encoding="utf-8", newline="\n")
        self._writer = _tensorboard(folder / _TENSORBOARD, resume_step)

    def __enter__(self) -> "TrainLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds a line.

        Args:
            step: step of the line; steps increase.
            figures: figures by name, rounded to six significant digits; non-finite ones become null.
        """
        line = {"step": step, **{name: _rounded(value) for name, value in figures.items()}}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def picture(self, step: int, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        """Adds the picture of a step."""
        with replacing(self.folder / _PANELS / f"{step:06d}.png") as unfinished:
            Image.fromarray(picture).save(unfinished, format="PNG")
        if self._writer is not None:
            self._writer.add_image("panel", picture, step, dataformats="HWC")
            self._writer.flush()

    def close(self) -> None:
        """Closes the files."""
        self._file.close()
        if self._writer is not None:
            self._writer.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Reads the lines of a run's log: step and figures. An unfinished last line is left out; no log gives none."""
    return [line for _, line in _lines(folder / _LOG)]


def _lines(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """Reads each complete line, raw and parsed."""
    lines = []
    for raw in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if raw.endswith(b"\n") and isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append((raw, line))
    return lines


def _forget(folder: Path, start: int) -> None:
    """Removes the entries of this step and of later ones."""
    kept = b"".join(raw for raw, line in _lines(folder / _LOG) if line["step"] < start)
    with replacing(folder / _LOG) as unfinished:
        unfinished.write_bytes(kept)
    for picture in (folder / _PANELS).glob("*.png"):
        if picture.stem.isdecimal() and int(picture.stem) >= start:
            picture.unlink()


def _tensorboard(folder: Path, resume_step: int | None) -> "SummaryWriter | None":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logging.getLogger(__name__).warning("no TensorBoard files: pip install 'graphpool[train]' for them")
        return None
    if resume_step is None:
        for events in folder.glob("events.out.tfevents.*"):
            events.unlink()
    return SummaryWriter(str(folder), purge_step=resume_step)


def _rounded(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None
