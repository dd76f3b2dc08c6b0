"""Weights as timm, facebookresearch and trainings write them."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

State = dict[str, Tensor]


def written(content: Any, path: Path) -> Path:
    """A file of weights."""
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in content.items()}, path)
    else:
        torch.save(content, path)
    return path


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
