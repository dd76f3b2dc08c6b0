"""Writes and reads the files of a trained model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from segmentation.base.replace_file import replacing
from segmentation.base.wording import first_line
from segmentation.config.load import to_yaml
from segmentation.config.training import TrainSettings

MODEL, SETTINGS = "model.safetensors", "config.yaml"
_LISTED = 3  # names in a message


def load_states(parts: Mapping[str, tuple[nn.Module, Mapping[str, Any]]]) -> None:
    """Gives modules their saved states; nothing is changed if one of them does not fit.

    Args:
        parts: each module with the state for it, by a name for messages.

    Raises:
        ValueError: a state is of another architecture.

    Example:
        >>> load_states({"student": (nn.Linear(3, 2), nn.Linear(4, 2, bias=False).state_dict())})
        Traceback (most recent call last):
        ValueError: checkpoint of another architecture: student: 1 missing (bias), 1 of another shape (weight)
    """
    problems = [
        f"{name}: {misfit}"
        for name, (module, state) in parts.items()
        if (misfit := _misfit(module.state_dict(), state))
    ]
    if problems:
        raise ValueError(f"checkpoint of another architecture: {'; '.join(problems)}")
    for module, state in parts.values():
        module.load_state_dict(dict(state))


def save_model(folder: Path, state: Mapping[str, Tensor], settings: TrainSettings) -> None:
    """Writes ``model.safetensors`` and ``config.yaml``, each complete or not at all.

    Args:
        folder: made where missing.
        state: of the model.
        settings: it was trained with.
    """
    with replacing(folder / SETTINGS) as unfinished:
        unfinished.write_text(to_yaml(settings), encoding="utf-8")
    with replacing(folder / MODEL) as unfinished:
        # not save_file, whose files nobody else may read
        unfinished.write_bytes(safetensors.torch.save(_apart(state), metadata={"format": "pt"}))


def load_model_state(folder: Path) -> dict[str, Tensor]:
    """The state of a model that :func:`save_model` wrote, on the CPU.

    Raises:
        FileNotFoundError: no model there.
        ValueError: a damaged one.
    """
    path = folder / MODEL
    if not path.is_file():
        raise FileNotFoundError(f"'{folder}' has no trained model: there is no {MODEL}")
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise ValueError(f"'{path}' is damaged or no model: {first_line(error)}") from error


def _misfit(wanted: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    shapes = [
        name
        for name, value in wanted.items()
        if name in state and getattr(state[name], "shape", None) != getattr(value, "shape", None)
    ]
    found = {
        "missing": [name for name in wanted if name not in state],
        "unknown": [name for name in state if name not in wanted],
        "of another shape": shapes,
    }
    return ", ".join(f"{len(names)} {what} ({_some(names)})" for what, names in found.items() if names)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors takes them: whole, and none in another's memory."""
    apart, seen = {}, set()
    for name, tensor in state.items():
        tensor = tensor.detach().contiguous()
        memory = tensor.device, tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return apart
