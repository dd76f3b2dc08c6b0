"""Loads settings from presets, files and changes on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from segmentation.config.checked import check_changes
from segmentation.config.masks import MaskSettings
from segmentation.config.training import TrainSettings

_PRESETS = resources.files("segmentation.config").joinpath("presets")


def preset_names() -> list[str]:
    """Returns the names of all presets.

    Example:
        >>> preset_names()
        ['paper', 'paper-coco', 'photos', 'photos-cpu', 's2-uniseg', 'scenes', 'semantic-finetune']
    """
    return sorted(file.name.removesuffix(".yaml") for file in _PRESETS.iterdir() if file.name.endswith(".yaml"))


def load_preset(name: str = "photos", **changes: Any) -> MaskSettings:
    """Loads a preset's settings of how masks are made.

    Args:
        name: one of :func:`preset_names`.
        changes: settings that replace the preset's.

    Raises:
        TypeError, ValueError: an unknown preset or setting, or a value of the wrong type or outside its range.

    Example:
        >>> load_preset("paper", size=224).thresholds
        (0.8, 0.7, 0.6, 0.5, 0.4)
    """
    check_changes(sorted(MaskSettings.__dataclass_fields__), changes)
    return MaskSettings(**_merge(_read_preset(name)["masks"], changes))


def change_masks(settings: MaskSettings, **changes: Any) -> MaskSettings:
    """Changes settings of how masks are made as :func:`load_preset` changes those of a preset.

    Example:
        >>> changed = change_masks(load_preset("paper"), ratios=[0.3, 0.1])
        >>> changed.thresholds, changed.ratios
        (None, (0.3, 0.1))
    """
    check_changes(sorted(MaskSettings.__dataclass_fields__), changes)
    return MaskSettings(**_merge(asdict(settings), changes))


def load_training(preset: str | Path = "scenes", changes: Sequence[str] = ()) -> TrainSettings:
    """Loads the settings of a training run.

    Args:
        preset: one of :func:`preset_names`, or the ``config.yaml`` that an earlier run wrote.
        changes: ``"section.key=value"``, with the value in YAML.

    Raises:
        FileNotFoundError: no such file.
        TypeError, ValueError: an unknown preset, an unknown key (the message names the nearest known ones), or a value
            of the wrong type or outside its range.

    Example:
        >>> load_training("paper", ["optimizer.batch_size=32"]).optimizer.batch_size
        32
    """
    values = yaml.safe_load(preset.read_text("utf-8")) if isinstance(preset, Path) else _read_preset(preset)
    if not isinstance(values, dict):
        raise ValueError(f"'preset' must be a file of settings, got {str(preset)!r} without any")
    for change in changes:
        values = _merge(values, _parse_change(change))
    return TrainSettings(**{str(key): value for key, value in values.items()})


def to_yaml(settings: TrainSettings) -> str:
    """Writes settings as the YAML that :func:`load_training` reads."""
    return yaml.safe_dump(to_plain(asdict(settings)), sort_keys=False)


def to_plain(value: Any) -> Any:
    """Turns mappings into dicts and tuples into lists, for YAML and JSON."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _read_preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise ValueError(f"'preset' must be one of {', '.join(map(repr, preset_names()))}, got {name!r}")
    values = yaml.safe_load(_PRESETS.joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
    base = values.pop("base", None)
    return values if base is None else _merge(_read_preset(base), values)


def _merge(values: Mapping[Any, Any], changes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Merges changes into nested values; an empty mapping replaces what is there.

    Levels are thresholds or ratios: those of a change replace the others. Thresholds are those of single linkage,
    unless the change says otherwise.
    """
    merged = {**values, **changes}
    if changes.get("ratios") is not None and "thresholds" not in changes:
        merged.pop("thresholds", None)
    if changes.get("thresholds") is not None and "ratios" not in changes:
        merged.pop("ratios", None)
        if "linkage" not in changes:
            merged.pop("linkage", None)
    for key in values.keys() & changes.keys():
        if isinstance(values[key], Mapping) and isinstance(changes[key], Mapping) and changes[key]:
            merged[key] = _merge(values[key], changes[key])
    return merged


def _parse_change(text: str) -> dict[str, Any]:
    """Parses ``section.key=value`` into nested dicts."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"'--set' must be section.key=value, got {text!r}")
    change: Any = yaml.safe_load(value)
    for part in reversed(key.strip().split(".")):
        change = {part: change}
    return dict(change)
