"""The trained model on disk."""

from pathlib import Path

import pytest
import torch

from segmentation.config import load_training
from segmentation.models.files import load_model_state, save_model


def test_tensors_and_settings_come_back(tmp_path: Path) -> None:
    base = torch.randn(6, 4)
    state = {
        "transposed": base.T,
        "tied": base,
        "tied again": base,
        "row": base[2],
        "half": torch.randn(3).bfloat16(),
        "count": torch.tensor(7),
        "channels last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    }
    settings = load_training("scenes", ["optimizer.lr=0.5"])
    save_model(tmp_path / "model", state, settings)
    found = load_model_state(tmp_path / "model")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    assert all(found[name].dtype == value.dtype for name, value in state.items())
    assert load_training(tmp_path / "model" / "config.yaml") == settings
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.yaml", "model.safetensors"]


def test_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no trained model: there is no model\.safetensors"):
        load_model_state(tmp_path)


def test_damage_is_said(tmp_path: Path) -> None:
    save_model(tmp_path, {"weight": torch.randn(50)}, load_training("scenes"))
    path = tmp_path / "model.safetensors"
    for damaged in (b"", path.read_bytes()[:100], b"no model" * 100):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.safetensors' is damaged or no model: "):
            load_model_state(tmp_path)
