"""Saves and loads the files of a trained model: its weights and the settings of its training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import yaml
from safetensors import SafetensorError
from torch import Tensor, nn

from segmentation.base.replace_file import replacing
from segmentation.base.wording import first_line
from segmentation.config.load import load_training, to_yaml
from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.models.weights import listed

MODEL_FILE, SETTINGS_FILE = "model.safetensors", "config.yaml"


def save_model(folder: Path, state: Mapping[str, Tensor], settings: TrainSettings) -> None:
    """Writes ``model.safetensors`` and ``config.yaml``, each complete or not at all.

    Args:
        folder: where to; made where missing.
        state: state dict of the model.
        settings: settings that it was trained with.
    """
    save_settings(folder, settings)
    with replacing(folder / MODEL_FILE) as unfinished:
        # not save_file, whose files nobody else may read
        unfinished.write_bytes(safetensors.torch.save(_unshared(state), metadata={"format": "pt"}))


def save_settings(folder: Path, settings: TrainSettings) -> None:
    """Writes ``config.yaml``, complete or not at all."""
    with replacing(folder / SETTINGS_FILE) as unfinished:
        unfinished.write_text(to_yaml(settings), encoding="utf-8")


def load_model(folder: Path) -> tuple[UniversalModel, TrainSettings]:
    """Builds the model that :func:`save_model` wrote, on the CPU, and reads the settings of its training.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: one of them is damaged, or they do not fit each other.
    """
    state, settings = load_model_state(folder), load_settings(folder)
    model = UniversalModel(settings, load_encoder=False)
    state.setdefault("key_mean", model.key_mean)  # of a file without one: zero
    try:
        load_states({MODEL_FILE: (model, state)})
    except ValueError as error:
        raise ValueError(f"'{folder}' has a model that does not fit its {SETTINGS_FILE}: {error}") from None
    return model, settings


def model_folder(model: Path) -> Path:
    """Returns the folder of a trained model, which may be named by its ``model.safetensors``.

    Raises:
        FileNotFoundError: another file, or nothing.
    """
    if model.is_dir():
        return model
    if model.is_file() and model.name == MODEL_FILE:
        return model.parent
    raise FileNotFoundError(f"'model' must be the folder of a training run or the {MODEL_FILE} in it, got '{model}'")


def load_model_state(folder: Path) -> dict[str, Tensor]:
    """Reads the state dict of the model in a folder, on the CPU.

    Raises:
        FileNotFoundError: there is no ``model.safetensors``.
        ValueError: it is damaged.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise FileNotFoundError(f"'{folder}' has no trained model: there is no {MODEL_FILE}")
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise ValueError(f"'{path}' is damaged or no model: {first_line(error)}") from error


def load_settings(folder: Path) -> TrainSettings:
    """Reads the settings that the model in a folder was trained with.

    Raises:
        FileNotFoundError: there is no ``config.yaml``.
        ValueError: it is damaged, or of another version of this package.
    """
    path = folder / SETTINGS_FILE
    try:
        return load_training(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"'{folder}' has no trained model: there is no {SETTINGS_FILE}") from None
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"'{path}' is damaged or of another version: {reason}") from None


def load_states(modules: Mapping[str, tuple[nn.Module, Mapping[str, Any]]]) -> None:
    """Loads saved state dicts into modules; changes nothing if one of them does not fit.

    Args:
        modules: each module and the state dict for it, by its name in messages.

    Raises:
        ValueError: a state dict is of another architecture.

    Example:
        >>> load_states({"student": (nn.Linear(3, 2), nn.Linear(4, 2, bias=False).state_dict())})
        Traceback (most recent call last):
        ValueError: checkpoint of another architecture: student: 1 missing (bias), 1 of another shape (weight)
    """
    problems = [
        f"{name}: {', '.join(misfits)}"
        for name, (module, state) in modules.items()
        if (misfits := _misfits(module.state_dict(), state))
    ]
    if problems:
        raise ValueError(f"checkpoint of another architecture: {'; '.join(problems)}")
    for module, state in modules.values():
        module.load_state_dict(dict(state))


def _misfits(expected: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    wanted, given = ({name: getattr(x, "shape", None) for name, x in each.items()} for each in (expected, state))
    problems = {
        "missing": [name for name in wanted if name not in given],
        "unknown": [name for name in given if name not in wanted],
        "of another shape": [name for name in wanted if name in given and wanted[name] != given[name]],
    }
    return listed(problems)


def _unshared(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Makes tensors contiguous and copies those that share memory, as safetensors wants them."""
    unshared, seen = {}, set()
    for name, tensor in state.items():
        tensor = tensor.detach().contiguous()
        memory = tensor.device, tensor.untyped_storage().data_ptr()
        unshared[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return unshared
