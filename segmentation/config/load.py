"""Settings from presets, files and the command line."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from graphpool.checks import check_choice, describe
from segmentation.config.masks import MaskSettings
from segmentation.config.training import TrainSettings

_EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d+")  # which YAML takes for a text


def preset_names() -> list[str]:
    """The presets there are.

    Example:
        >>> preset_names()
        ['paper', 'paper-coco', 'photos', 'photos-cpu', 'scenes', 'semantic-finetune']
    """
    files = resources.files("segmentation.config").joinpath("presets").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_preset(name: str = "photos", **changes: Any) -> MaskSettings:
    """How a preset makes masks.

    Args:
        name: one of :func:`preset_names`.
        changes: settings that replace the preset's.

    Raises:
        ValueError: no such preset, or no such setting.

    Example:
        >>> load_preset("paper", size=224).thresholds
        (0.8, 0.7, 0.6, 0.5, 0.4)
    """
    known = {field.name for field in fields(MaskSettings)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ValueError(f"'changes' must be settings ({', '.join(sorted(known))}), got {', '.join(unknown)}")
    return _typed(MaskSettings, {**_preset(name)["masks"], **changes}, "")


def load_training(preset: str | Path = "scenes", changes: Sequence[str] = ()) -> TrainSettings:
    """The settings of a training run.

    Args:
        preset: one of :func:`preset_names`, or a file that an earlier run wrote (``config.yaml``).
        changes: ``"section.key=value"``, the value in YAML.

    Raises:
        FileNotFoundError: no such file.
        TypeError, ValueError: an unknown key (the message names the nearest known one), or a value that does not fit.

    Example:
        >>> load_training("paper", ["optimizer.batch_size=32"]).optimizer.batch_size
        32
    """
    if isinstance(preset, Path):
        values = yaml.safe_load(preset.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"'preset' must be a file of settings, got {str(preset)!r} without any")
    else:
        values = _preset(preset)
    for change in changes:
        values = _merged(values, _change(change))
    settings: TrainSettings = _typed(TrainSettings, values, "")
    return settings


def to_yaml(settings: TrainSettings) -> str:
    """The settings as :func:`load_training` reads them from a file."""
    return yaml.safe_dump(to_plain(asdict(settings)), sort_keys=False)


def _preset(name: str) -> dict[str, Any]:
    check_choice("preset", name, tuple(preset_names()))
    text = (
        resources.files("segmentation.config").joinpath("presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    )
    values = yaml.safe_load(text)
    base = values.pop("base", None)
    return values if base is None else _merged(_preset(base), values)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and value:  # an empty one takes the place
            value = _merged(old, value)
        merged[key] = value
    return merged


def _change(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"'--set' must be section.key=value, got {text!r}")
    change: Any = yaml.safe_load(value)
    for part in reversed(key.strip().split(".")):
        change = {part: change}
    return dict(change)


def _typed(kind: Any, values: Mapping[str, Any], path: str) -> Any:
    """A dataclass from plain values; every key is checked against it."""
    hints = get_type_hints(kind)
    arguments = {}
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        if key not in hints:
            raise ValueError(f"{name!r} is no setting{_nearest(name)}")
        arguments[key] = _value(hints[key], value, name)
    for field in fields(kind):
        if field.name not in arguments and field.default is MISSING and field.default_factory is MISSING:
            if is_dataclass(hints[field.name]):
                arguments[field.name] = _typed(hints[field.name], {}, field.name)
            else:
                raise ValueError(f"'{path}.{field.name}' is missing")
    return kind(**arguments)


def _value(hint: Any, value: Any, name: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise TypeError(f"{name!r} must be a section of settings, got {describe(value)}")
        return _typed(hint, value, name)
    if get_origin(hint) in (Union, UnionType):
        return None if value is None else _value(next(a for a in get_args(hint) if a is not type(None)), value, name)
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{name!r} must be a list, got {describe(value)}")
        return tuple(_value(get_args(hint)[0], item, name) for item in value)
    if hint is float:
        if isinstance(value, str) and _EXPONENT.fullmatch(value):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name!r} must be a number, got {describe(value)}")
        return float(value)
    if hint in (int, str, bool) and type(value) is not hint:
        raise TypeError(f"{name!r} must be of type {hint.__name__}, got {describe(value)}")
    return value


def _nearest(name: str) -> str:
    """The known keys that come nearest."""
    known = []
    for section, kind in get_type_hints(TrainSettings).items():
        known += [section, *(f"{section}.{field.name}" for field in fields(kind))]
    close = difflib.get_close_matches(name, known, 3, 0.5)
    last = name.rpartition(".")[2]
    close += [key for key in known if key.rpartition(".")[2] == last and key not in close]
    return f"; nearest: {', '.join(close[:3])}" if close else f"; sections: {', '.join(get_type_hints(TrainSettings))}"


def to_plain(value: Any) -> Any:
    """Settings in the types that YAML and JSON have."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
