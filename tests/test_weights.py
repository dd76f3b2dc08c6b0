import pickle
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image
from torch import Tensor

from segmentation.models.encoder import TokenEncoder
from segmentation.models.weights import load_weights
from tests.oracles import vits

State = dict[str, Tensor]
SIZES = ((48, 48), (32, 80), (224, 224))


def written(content: Any, path: Path) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in content.items()}, path)
    else:
        torch.save(content, path)
    return path


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


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def others(state: State) -> State:
    return {name: torch.randn_like(tensor) for name, tensor in state.items()}


def dino(state: State, **more: Any) -> dict[str, Any]:
    """A checkpoint of DINO's training."""
    head = {"head.mlp.0.weight": torch.rand(9, 64), "head.last_layer.weight_g": torch.rand(9, 1)}
    backbone = {name: tensor for name, tensor in state.items() if not name.startswith("head.")}
    return {
        "student": prefixed("module.", prefixed("backbone.", others(backbone)) | head),
        "teacher": prefixed("backbone.", backbone) | head,
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.rand(4)}}, "param_groups": [{"lr": 1e-3}]},
        "epoch": 100,
        "args": Namespace(arch="vit_small", lr=5e-4, global_crops_scale=(0.4, 1.0), output_dir="."),
        "dino_loss": {"center": torch.rand(1, 9)},
        **more,
    }


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


def as_dinov2(state: State, *, gated: bool) -> State:
    """The names of facebookresearch's DINOv2, in which position embeddings have one for the class token."""
    if gated:
        state = {name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): state[name] for name in state}
    if "reg_token" in state:
        first = torch.randn_like(state["cls_token"])
        state["register_tokens"] = state.pop("reg_token")
        state["cls_token"] = state["cls_token"] - first
        state["pos_embed"] = torch.cat([first, state["pos_embed"]], dim=1)
    return state


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


def as_dinov3(state: State, bias: bool) -> State:
    """The names of facebookresearch's DINOv3, whose bias of the keys is masked."""
    renamed = {
        name.replace("reg_token", "storage_tokens").replace("gamma_", "ls").removesuffix("_"): tensor
        for name, tensor in state.items()
        if not name.endswith(("q_bias", "v_bias"))
    }
    renamed = {name + ".gamma" if name[:-1].endswith(".ls") else name: renamed[name] for name in renamed}
    for block in range(3):
        width, at = 64, f"blocks.{block}.attn."
        query, value = (state.get(f"{at}{part}_bias", torch.zeros(width)) for part in "qv")
        renamed[f"{at}qkv.bias"] = torch.cat([query, torch.rand(width), value]) if bias else torch.zeros(3 * width)
        renamed[f"{at}qkv.bias_mask"] = torch.ones(3 * width)
    return renamed | {"mask_token": torch.zeros(1, 64), "rope_embed.periods": torch.rand(16)}


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


# What cannot be read


def refused(path: Path, name: str = "test_vit") -> str:
    with pytest.raises(ValueError, match=r"^'weights' ") as caught:
        TokenEncoder(name, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pth", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"^'weights' must be a file, got '{path}'"):
            TokenEncoder("test_vit", path)


@pytest.mark.parametrize("file", ["a.safetensors", "a.pth"])
@pytest.mark.parametrize("content", [b"", b"\0", b"not weights", b"PK\x03\x04", b"\x80\x02}q\0.", b"\x80\x04K*."])
def test_files_that_are_no_weights(file: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(content)
    assert "'weights' must " in refused(tmp_path / file)


@pytest.mark.parametrize("file", ["a.safetensors", "a.pth"])
def test_damaged_files(plain: Any, file: str, tmp_path: Path) -> None:
    path = written(plain.state_dict(), tmp_path / file)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    for part in (0.001, 0.3, 0.9, 0.9999):
        path.write_bytes(whole[: int(part * len(whole))].tobytes())
        assert "'weights' must be a safetensors file or a PyTorch state dict" in refused(path)
    random = np.random.default_rng(0)
    for _ in range(40):
        damaged = whole.copy()
        where = random.integers(0, 3000 if random.random() < 0.7 else len(whole), 5)
        damaged[where] = random.integers(0, 256, 5)
        path.write_bytes(damaged.tobytes())
        with suppress(ValueError):  # damaged numbers do not show
            load_weights(plain, path)


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "in the options"])
def test_code_in_a_file_is_not_run(plain: Any, kind: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "a.pth", tmp_path / "trace"
    content = plain.state_dict() | {"evil": Evil(trace)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif kind == "in the options":
        torch.save({"model": plain.state_dict(), "args": Namespace(evil=Evil(trace))}, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    message = refused(path)
    assert not trace.exists()
    if kind != "pickle":
        assert "which could run code and is not read; if you trust the file, save its tensors alone" in message
    torch.load(path, weights_only=False) if kind != "pickle" else pickle.loads(path.read_bytes())
    assert trace.exists()  # it would have


def test_objects_in_a_file_are_named(plain: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(plain, path)
    assert "it holds timm.models.vision_transformer.VisionTransformer, which could run code" in refused(path)
    torch.save(dino(plain.state_dict(), args=Namespace(output_dir=tmp_path)), path)
    assert "it holds pathlib" in refused(path)


def test_containers_without_a_network(tmp_path: Path) -> None:
    contents = {
        "with a list": [torch.rand(3)],
        "with a Tensor": torch.rand(3),
        "with a dict of 'epoch', 'optimizer'": {"epoch": 3, "optimizer": {"lr": 0.1}},
        "with a dict$": {},
    }
    around: dict[str, Any] = {}
    around["model"] = around
    for found, content in {**contents, "with a dict of 'model'": around}.items():
        assert refused(written(content, tmp_path / "a.pth")).endswith(found.removesuffix("$"))


# What does not fit


def test_tensors_that_do_not_fit_are_named(plain: Any, tmp_path: Path) -> None:
    state = plain.state_dict()
    del state["blocks.0.norm1.bias"], state["cls_token"]
    state |= {f"decoder.{number}": torch.rand(2) for number in range(5)}
    state["patch_embed.proj.bias"] = torch.rand(65)
    message = refused(written(state, tmp_path / "a.pth"))
    assert "do not fit the encoder: 2 missing (blocks.0.norm1.bias, cls_token); " in message
    assert "5 unknown (decoder.0, decoder.1, decoder.2, ...); " in message
    assert "1 of another shape (patch_embed.proj.bias [65] instead of [64])" in message


MISFITS = {
    "wider": ({"embed_dim": 128}, r"of another shape \(cls_token \[1, 1, 128\] instead of \[1, 1, 64\], "),
    "deeper": ({"depth": 8}, r"24 unknown \(blocks\.6\.attn"),
    "less deep": ({"depth": 4}, r"24 missing \(blocks\.4\.attn"),
    "other patches": ({"patch_size": 8}, "they are for patches of 8 x 8, not of 16 x 16"),
    "registers": ({"reg_tokens": 1, "no_embed_class": True}, r"1 unknown \(reg_token\)"),
    "no square grid": ({"img_size": (64, 96)}, r"pos_embed \[1, 25, 64\] instead of \[1, 101, 64\]"),
    "grey": ({"in_chans": 1}, r"patch_embed\.proj\.weight \[64, 1, 16, 16\] instead of \[64, 3, 16, 16\]"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_another_model(kind: str, tmp_path: Path) -> None:
    options, message = MISFITS[kind]
    path = written(vits.randomised("test_vit", **options).state_dict(), tmp_path / "a.pth")
    model = vits.randomised("test_vit", num_classes=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"^'weights' '{path}' do not fit the encoder: .*{message}"):
        load_weights(model, path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_registers_and_no_registers(plain: Any, tmp_path: Path) -> None:
    model = vits.randomised("tiny_registers", num_classes=0)
    facebook = written(as_dinov2(model.state_dict(), gated=False), tmp_path / "a.pth")
    assert refused(facebook).endswith("do not fit the encoder: they have register tokens, the encoder has none")
    message = refused(written(plain.state_dict(), tmp_path / "b.pth"), "tiny_registers_apart")
    assert message.endswith(
        "1 missing (reg_token); 1 of another shape (pos_embed [1, 101, 64] instead of [1, 100, 64])"
    )
