"""The settings of masks by preset: each can be changed by name, and a bad one is named."""

from dataclasses import replace
from typing import Any

import pytest

from segmentation.config import load_preset, preset_names


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"size": 0}, ValueError),
        ({"size": 96.0}, TypeError),
        ({"size": True}, TypeError),
        ({"thresholds": ()}, TypeError),
        ({"thresholds": 0.5}, TypeError),
        ({"thresholds": "0.5"}, TypeError),
        ({"thresholds": (0.5, "0.4")}, TypeError),
        ({"thresholds": (1.5,)}, ValueError),
        ({"thresholds": (float("nan"),)}, ValueError),
        ({"feature_weight": 1.1}, ValueError),
        ({"temperature": 0}, ValueError),
        ({"temperature": "hot"}, TypeError),
        ({"features": "median"}, ValueError),
        ({"center": None}, TypeError),
        ({"min_area": 0}, ValueError),
        ({"semantic": 1}, TypeError),
        ({"max_masks": 0}, ValueError),
        ({"max_overlap": -0.1}, ValueError),
        ({"max_share": 2}, ValueError),
        ({"max_share": None}, TypeError),
        ({"refine": "yes"}, TypeError),
    ],
    ids=str,
)
def test_bad_settings_are_named(changes: dict[str, Any], error: type[Exception], as_users_call_it: None) -> None:
    [name] = changes
    with pytest.raises(error, match=f"^'{name}' must"):
        load_preset(**changes)


def test_presets() -> None:
    names = ["paper", "paper-coco", "photos", "photos-cpu", "s2-uniseg", "scenes", "semantic-finetune"]
    assert preset_names() == names
    for name in preset_names():
        settings = load_preset(name)
        assert (settings.thresholds is None) != (settings.ratios is None)
        assert isinstance(settings.levels, tuple)
        assert list(settings.levels) == sorted(settings.levels, reverse=True)
        assert load_preset(name, max_masks=7) == replace(settings, max_masks=7)
    assert load_preset() == load_preset("photos")
    with pytest.raises(ValueError, match=r"'preset' must be one of 'paper', 'paper-coco', .* got 'fast'"):
        load_preset("fast")
    with pytest.raises(ValueError, match=r"'changes' must be settings \(blocks, .*\), got sizes, speed"):
        load_preset(sizes=3, speed=2)
