import copy
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch

from segmentation.models.vit import ViT
from tests.oracles import vits

NAME = "vit_tiny_patch16_224"
SMALL = {"embed_dim": 32, "depth": 3, "num_heads": 2}


@pytest.mark.parametrize("name", ["test_vit2", "tiny_registers", "tiny_dinov3", "tiny_rope_mixed"])
def test_blocks_one_by_one_are_the_model(name: str) -> None:
    vit = ViT(name, init="random")
    pixels = torch.rand(2, 3, 48, 80)
    normalised = vit.normalised(pixels)
    assert torch.equal(normalised, (pixels - vit.mean) / vit.std)
    tokens, rotary = vit.embed(normalised)
    for index in range(vit.depth):
        before, tokens = tokens, vit.through_block(index, tokens, rotary)
    assert torch.equal(tokens, vit.model.forward_features(normalised))
    assert torch.equal(vit.patches(tokens), tokens[:, -15:])
    assert torch.equal(vit.keys(before).detach(), vits.keys(vit.model, pixels))


def test_options_are_those_of_timm() -> None:
    vit = ViT(NAME, init="random", options={**SMALL, "patch_size": 8, "img_size": 64, "reg_tokens": 2})
    assert (vit.depth, vit.channels, vit.patch_size, vit.num_prefix_tokens) == (3, 32, 8, 3)
    assert vit.model.patch_embed.grid_size == (8, 8)


def test_nothing_is_dropped_in_training() -> None:
    dropping = dict.fromkeys(("drop_path_rate", "pos_drop_rate", "proj_drop_rate", "patch_drop_rate"), 0.5)
    vit = ViT(NAME, init="random", options=SMALL | dropping).train()
    assert not vit.training
    assert not any(module.training for module in vit.modules())
    normalised = vit.normalised(torch.rand(1, 3, 48, 32))
    tokens, rotary = vit.embed(normalised)
    for index in range(vit.depth):
        tokens = vit.through_block(index, tokens, rotary)
    plain = timm.create_model(NAME, num_classes=0, dynamic_img_size=True, **SMALL)
    vit.model.norm = plain.norm = torch.nn.Identity()
    plain.load_state_dict(vit.model.state_dict())
    assert torch.equal(tokens, plain.forward_features(normalised))


@pytest.mark.parametrize("name", ["test_vit", "tiny_registers", "tiny_dinov3"])
def test_states_of_another_grid(name: str, tmp_path: Path) -> None:
    model, path = vits.randomised(name, img_size=96), tmp_path / "weights.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    read, copied = ViT(name, path), copy.deepcopy(ViT(name, init="random"))
    copied.load_state_dict(read.state_dict())
    normalised = read.normalised(torch.rand(1, 3, 48, 32))
    assert torch.equal(copied.embed(normalised)[0], read.embed(normalised)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dept": 3}, f"'options' must be what timm takes for '{NAME}', got {{'dept': 3}}: .*'dept'"),
        ({"num_heads": 7}, "'options' must be what timm takes .*: dim should be divisible"),
        ({"num_classes": 3}, "'options' must not hold 'num_classes', which the encoder sets itself"),
        ({"pretrained": True, "in_chans": 1}, "'options' must not hold 'in_chans', 'pretrained'"),
        ({"patch_size": (8, 16)}, r"'options' must have a square patch_size, got \(8, 16\)"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViT(NAME, init="random", options=options)


@pytest.mark.parametrize("weights", [None, "weights.safetensors"])
def test_options_with_pretrained_weights(weights: str | None) -> None:
    with pytest.raises(ValueError, match=r"'options' must be empty unless init='random', got \{'depth': 3\}"):
        ViT(NAME, weights, options={"depth": 3})
