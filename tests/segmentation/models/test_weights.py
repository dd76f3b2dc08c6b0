from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from segmentation.models.encoder import TokenEncoder
from segmentation.models.weights import load_weights
from tests.oracles import vits
from tests.oracles.checkpoints import State, as_dinov2, as_dinov3, dino, others, prefixed, written

SIZES = ((48, 48), (32, 80), (224, 224))


def check_same_keys(model: Any, name: str, path: Path) -> None:
    encoder = TokenEncoder(name, path)
    for size in SIZES:
        pixels = torch.rand(1, 3, *size)
        assert vits.distance(encoder(pixels), vits.keys(model, pixels)) < 1e-5


@pytest.fixture
def plain() -> Any:
    return vits.randomised("test_vit", num_classes=7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("file", ["a.safetensors", "a.pth", "a.bin"])
def test_precisions_of_a_file(plain: Any, file: str, dtype: torch.dtype, tmp_path: Path) -> None:
    path = written(plain.to(dtype).state_dict(), tmp_path / file)
    check_same_keys(plain.float(), "test_vit", path)


CONTAINERS: dict[str, Callable[[State], dict[str, Any]]] = {
    "DINO": dino,
    "only a student": lambda state: {"student": prefixed("module.backbone.", state), "epoch": 3},
    "DeiT": lambda state: {"model": state, "args": Namespace(lr=0.1), "epoch": 299},
    "timm, averaged": lambda state: {"state_dict": others(state), "state_dict_ema": state, "arch": "test_vit"},
    "compiled, on many devices": lambda state: prefixed("_orig_mod.module.", state),
    "in a container in a container": lambda state: {"state_dict": {"model": state}},
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_checkpoints_of_training(plain: Any, container: str, tmp_path: Path) -> None:
    check_same_keys(plain, "test_vit", written(CONTAINERS[container](plain.state_dict()), tmp_path / "a.pth"))


@pytest.mark.parametrize("masked", [True, False], ids=["mask-token", "no-mask-token"])
@pytest.mark.parametrize("name", ["test_vit", "tiny_swiglu", "tiny_registers", "tiny_registers_swiglu"])
def test_dinov2(name: str, masked: bool, tmp_path: Path) -> None:
    model = vits.randomised(name, num_classes=0)
    state = as_dinov2(model.state_dict(), gated="swiglu" in name)
    if masked:
        state["mask_token"] = torch.zeros(1, 64)
    check_same_keys(model, name, written(state, tmp_path / "a.pth"))


def test_registers_in_half_precision_are_summed_in_full(tmp_path: Path) -> None:
    model = vits.randomised("tiny_registers", num_classes=0)
    state = {name: tensor.half() for name, tensor in as_dinov2(model.state_dict(), gated=False).items()}
    load_weights(model, written(state, tmp_path / "a.pth"))
    assert torch.equal(model.cls_token, state["cls_token"].float() + state["pos_embed"][:, :1].float())


@pytest.mark.parametrize("name", ["tiny_dinov3", "tiny_dinov3_no_bias"])
def test_dinov3(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = vits.randomised(name, num_classes=0)
    state = as_dinov3(model.state_dict(), bias=name == "tiny_dinov3")
    check_same_keys(model, name, written(state, tmp_path / "a.pth"))
    assert capsys.readouterr().out == ""


def test_dinov3_biases_are_not_left_out(tmp_path: Path) -> None:
    state = as_dinov3(vits.randomised("tiny_dinov3", num_classes=0).state_dict(), bias=True)
    with pytest.raises(ValueError, match=r"they have blocks\.0\.attn\.qkv\.bias: name the variant .* '_qkvb'"):
        TokenEncoder("tiny_dinov3_no_bias", written(state, tmp_path / "a.pth"))


@pytest.mark.parametrize(
    "name", ["test_vit", "test_vit2", "tiny_registers", "tiny_rope_ape", "deit_tiny_distilled_patch16_224"]
)
@pytest.mark.parametrize("side", [96, 256])
def test_position_embeddings_of_another_grid(name: str, side: int, tmp_path: Path) -> None:
    model = vits.randomised(name, img_size=side, num_classes=0)
    check_same_keys(model, name, written(model.state_dict(), tmp_path / "a.pth"))
    if name == "tiny_registers":
        state = as_dinov2(model.state_dict(), gated=False)
        check_same_keys(model, name, written(state, tmp_path / "b.pth"))


def test_heads_and_norms_behind_the_blocks_are_left_out(tmp_path: Path) -> None:
    for options in ({"global_pool": "avg"}, {"final_norm": False}, {"fc_norm": True}, {"num_classes": 3}):
        model = vits.randomised("test_vit", **options)
        check_same_keys(model, "test_vit", written(model.state_dict(), tmp_path / "a.pth"))


def test_real_weights(shared: Path) -> None:
    path = shared / "weights" / "vit_small_patch14_imgfocus.safetensors"
    whole = timm.create_model("vit_small_patch14_dinov2", num_classes=0, dynamic_img_size=True).eval()
    load_weights(whole, path)
    state, file = whole.state_dict(), safetensors.torch.load_file(path)
    assert state.keys() == file.keys()
    for name, tensor in file.items():
        assert torch.equal(state[name], tensor.float()), name
    with Image.open(sorted((shared / "data" / "coco").rglob("*.jpg"))[0]) as photo:
        pixels = torch.from_numpy(np.array(photo.convert("RGB").resize((140, 98)))).permute(2, 0, 1)[None] / 255
    encoder = TokenEncoder("vit_small_patch14_dinov2", path)
    assert vits.distance(encoder(pixels), vits.keys(whole, pixels)) < 1e-5
