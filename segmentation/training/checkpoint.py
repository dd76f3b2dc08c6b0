"""Writes and reads the checkpoint from which a training run resumes."""

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from graphpool.checks import describe
from segmentation.base.replace_file import replacing
from segmentation.base.wording import first_line

CHECKPOINT = "checkpoint.pt"
_PLAIN = (int, float, str, bool, type(None))
_CHANGES = 8
_UNFINISHED = re.compile(r"\.(\d+)\..+")  # as replace_file.replacing names them


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Writes ``checkpoint.pt``; if it is interrupted, the previous checkpoint stays.

    Args:
        folder: folder of the run, made where missing.
        state: tensors, numbers, strings, and lists, tuples and dicts of them: what can be read without running code.

    Raises:
        TypeError: something else in ``state``, which could not be read again.
    """
    _check_plain(state, "state")
    with replacing(folder / CHECKPOINT) as unfinished:
        torch.save(state, unfinished)


def load_checkpoint(folder: Path, map_location: torch.device | str = "cpu") -> dict[str, Any]:
    """Reads what :func:`save_checkpoint` wrote.

    Args:
        folder: folder of the run.
        map_location: device of the tensors.

    Raises:
        FileNotFoundError: no checkpoint.
        ValueError: the file is damaged, or no checkpoint.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(Path(folder), {"step": 7, "weights": torch.ones(2)})
        ...     load_checkpoint(Path(folder))
        {'step': 7, 'weights': tensor([1., 1.])}
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(f"'{folder}' has no run to resume: there is no {CHECKPOINT}")
    with path.open("rb") as file:
        try:
            _check_sums(file)
            state = torch.load(file, map_location=map_location, weights_only=True)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # damaged files raise errors of nearly every type
            raise ValueError(f"'{path}' is damaged or no checkpoint: {first_line(error)}") from error
    if not isinstance(state, dict):
        raise ValueError(f"'{path}' is no checkpoint: it holds {describe(state)}")
    return state


def remove_leftovers(folder: Path) -> None:
    """Removes the unfinished files of processes that were killed while they wrote."""
    for path in folder.rglob(".*"):
        name = _UNFINISHED.fullmatch(path.name)
        if name is not None and path.is_file() and not _runs(int(name[1])):
            path.unlink(missing_ok=True)


def check_same(saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Checks that a run resumes with the settings that it began with.

    Args:
        saved: settings in the checkpoint, in sections.
        current: settings asked for now.

    Raises:
        ValueError: they differ; the message names the keys.

    Example:
        >>> check_same({"optimizer": {"lr": 0.1, "steps": 9}}, {"optimizer": {"lr": 0.2, "steps": 9}})
        Traceback (most recent call last):
        ValueError: the checkpoint has other settings, which --resume cannot mix: optimizer.lr was 0.1 and is 0.2
    """
    before, now = _flat(saved), _flat(current)
    changes = [
        f"{key} was {_shown(before, key)} and is {_shown(now, key)}"
        for key in [*before, *(key for key in now if key not in before)]
        if key not in before or key not in now or before[key] != now[key]
    ]
    if changes:
        more = f"; and {len(changes) - _CHANGES} more" if len(changes) > _CHANGES else ""
        raise ValueError(
            f"the checkpoint has other settings, which --resume cannot mix: {'; '.join(changes[:_CHANGES])}{more}"
        )


def _check_plain(value: Any, path: str) -> None:
    if type(value) in _PLAIN or isinstance(value, Tensor):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(key, f"key of {path}")
            _check_plain(item, f"{path}[{key!r}]")
    elif type(value) in (list, tuple):
        for place, item in enumerate(value):
            _check_plain(item, f"{path}[{place}]")
    else:
        raise TypeError(f"'{path}' must be a tensor, number, text, list or dict, got {describe(value)}")


def _check_sums(file: BinaryIO) -> None:
    """Compares the checksums of all tensors, which torch writes and never checks."""
    with zipfile.ZipFile(file) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")
    file.seek(0)


def _runs(process: int) -> bool:
    """Tells whether another process of this number runs."""
    if process == os.getpid():
        return False  # the number of one that is gone was given to this one
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _flat(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Flattens settings to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{path}{key}.")
        else:
            flat[f"{path}{key}"] = value
    return flat


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return repr(settings[key]) if key in settings else "not there"
