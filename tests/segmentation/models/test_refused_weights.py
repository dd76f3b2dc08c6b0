import pickle
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segmentation.models.encoder import TokenEncoder
from segmentation.models.weights import load_weights
from tests.oracles import vits
from tests.oracles.checkpoints import as_dinov2, dino, written


@pytest.fixture
def plain() -> Any:
    return vits.randomised("test_vit", num_classes=7)


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
