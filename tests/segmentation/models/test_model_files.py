"""The trained model on disk."""

from pathlib import Path

import pytest
import torch
from torch import nn

from segmentation.config import load_training
from segmentation.models.files import load_model, load_model_state, load_states, save_model
from segmentation.models.universal_model import UniversalModel


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


def test_a_model_comes_back_with_its_settings(tmp_path: Path) -> None:
    settings = load_training("scenes", ["decoder.layers=1", "head.clusters=7"])
    model = UniversalModel(settings)
    save_model(tmp_path, model.state_dict(), settings)
    loaded, loaded_settings = load_model(tmp_path)
    assert loaded_settings == settings
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())


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


def test_a_misfit_is_named_and_changes_nothing() -> None:
    def network(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(3, width), nn.Linear(width, 2), nn.BatchNorm1d(2))

    first, second = network(4), network(4)
    kept = first[0].weight.clone()
    wrong = network(5).state_dict()
    del wrong["2.running_mean"], wrong["2.running_var"], wrong["2.weight"], wrong["2.bias"]
    wrong["extra"] = torch.zeros(1)
    with pytest.raises(ValueError, match="another architecture") as error:
        load_states({"student": (first, network(4).state_dict()), "teacher": (second, wrong)})
    assert str(error.value) == (
        "checkpoint of another architecture: teacher: 4 missing (2.weight, 2.bias, 2.running_mean, ...), "
        "1 unknown (extra), 3 of another shape (0.weight, 0.bias, 1.weight)"
    )
    assert torch.equal(first[0].weight, kept)
    good = network(4).state_dict()
    load_states({"student": (first, good), "teacher": (second, good)})
    assert torch.equal(first[0].weight, good["0.weight"])
    assert torch.equal(second[1].bias, good["1.bias"])
