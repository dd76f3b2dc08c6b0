"""Loads weights of a vision transformer from a file in the naming of timm or facebookresearch."""

import math
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from timm.models import eva, vision_transformer
from torch import Tensor, nn

from segmentation.base.wording import first_line

# Keys that training checkpoints keep the network under; the first that is there is taken
_CONTAINERS = ("teacher", "state_dict_ema", "model_ema", "state_dict", "model", "student")
_WRAPPERS = ("_orig_mod.", "module.", "backbone.")
_BEHIND_BLOCKS = ("norm.", "fc_norm.", "attn_pool.", "head.", "head_dist.", "pre_logits.", "dino_head.", "ibot_head.")


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Loads a file of weights into a timm vision transformer, all of them or an error.

    Reads safetensors, and PyTorch checkpoints without running any code in them (``weights_only=True``), in fp16, bf16
    or fp32. Takes timm's names and those of facebookresearch's DINO, DINOv2 (``register_tokens``, ``w12``, with or
    without its ``mask_token``) and DINOv3. Of several networks in a training checkpoint the teacher or the averaged one
    is taken. Position embeddings are not resized: the model adopts the grid of the file. Weights that follow the blocks
    in the file (norms, pools, heads) and are not in the model are left out; no others are.

    Args:
        model: result of ``timm.create_model(..., dynamic_img_size=True)``, in fp32.
        path: file of weights.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or unsafe to read, or does not fit the model; the message says where.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"'weights' must be a file, got {str(path)!r}, which is none")
    try:
        content = _read(path)
    except OSError:
        raise
    except Exception as error:  # damaged files raise errors of nearly every type
        raise ValueError(
            f"'weights' must be a safetensors file or a PyTorch state dict, got {str(path)!r}: {_reason(error)}"
        ) from error
    state = _network(content, path)
    try:
        state = _in_timms_names(state, model)
    except Exception as error:  # timm's conversion trusts names and shapes
        raise ValueError(f"'weights' {str(path)!r} do not fit the encoder: {first_line(error)}") from error
    wanted = model.state_dict()
    state = {name: tensor for name, tensor in state.items() if name in wanted or not name.startswith(_BEHIND_BLOCKS)}
    _check_fits(wanted, state, path)
    model.load_state_dict(state)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with torch.serialization.safe_globals([Namespace]):  # the options in facebookresearch's checkpoints; inert
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    if refused is None:
        return first_line(error)
    return (
        f"it holds {refused[1]}, which could run code and is not read; if you trust the file, save its tensors alone: "
        "torch.save(model.state_dict(), FILE)"
    )


def _network(content: Any, path: Path) -> dict[str, Tensor]:
    """Returns the tensors of the network in fp32, taken out of containers and without the prefixes of wrappers."""
    for _ in range(3):
        if isinstance(content, dict):
            content = next((content[key] for key in _CONTAINERS if isinstance(content.get(key), dict)), content)
    names = content if isinstance(content, dict) else {}
    tensors = {name: value for name, value in names.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        found = f"a dict of {', '.join(map(repr, list(names)[:5]))}" if names else f"a {type(content).__name__}"
        raise ValueError(f"'weights' must hold the tensors of a network, got {str(path)!r} with {found}")
    state = {}
    for name, tensor in tensors.items():
        while name.startswith(_WRAPPERS):
            name = name.split(".", 1)[1]
        state[name] = tensor.float() if tensor.is_floating_point() else tensor
    return state


def _in_timms_names(state: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    _check_patch(state, model)
    if isinstance(model, eva.Eva):
        _check_biases(state, model)
        convert: Any = eva.checkpoint_filter_fn
    else:
        if "register_tokens" in state and not (model.num_reg_tokens and model.no_embed_class):
            raise ValueError("they have register tokens, the encoder has none")
        if "register_tokens" in state or "blocks.0.mlp.w12.weight" in state:
            state.setdefault("mask_token", torch.zeros(0))  # by which timm knows DINOv2, and which some files lack
        convert = vision_transformer.checkpoint_filter_fn
    misfit = {}
    if model.pos_embed is not None and "pos_embed" in state:
        prefix = 1 if "register_tokens" in state else 0 if model.no_embed_class else model.num_prefix_tokens
        if not adopt_grid(model, state["pos_embed"].size(1) - prefix):
            misfit = {"pos_embed": state.pop("pos_embed")}  # timm would resize it anyhow
    return {**convert(state, model), **misfit}


def adopt_grid(model: Any, tokens: int) -> bool:
    """Gives a timm model the square grid of so many position embeddings; says whether it has that many now.

    Embeddings that are resized here, and again for each photo, would lose detail.
    """
    side = math.isqrt(max(tokens, 0))
    if tokens != model.patch_embed.num_patches and side and side**2 == tokens:
        model.set_input_size(img_size=(side * model.patch_embed.feat_ratio(),) * 2)
    return bool(tokens == model.patch_embed.num_patches)


def _check_patch(state: dict[str, Tensor], model: Any) -> None:
    """Refuses kernels for patches of another size, which timm would resample."""
    kernel = state.get("patch_embed.proj.weight")
    height, width = model.patch_embed.proj.weight.shape[2:]
    if kernel is not None and kernel.dim() == 4 and kernel.shape[2:] != (height, width):
        raise ValueError(f"they are for patches of {kernel.size(2)} x {kernel.size(3)}, not of {height} x {width}")


def _check_biases(state: dict[str, Tensor], model: Any) -> None:
    """Refuses biases of facebookresearch's DINOv3 that the model has no place for, which timm would leave out."""
    if "storage_tokens" in state and getattr(model.blocks[0].attn, "q_bias", None) is None:
        for name in [name for name in state if name.endswith("qkv.bias")]:
            query, _, value = state.pop(name).chunk(3)  # the key's is masked
            if query.any() or value.any():
                raise ValueError(f"they have {name}: name the variant of the encoder with '_qkvb'")


def _check_fits(wanted: dict[str, Tensor], state: dict[str, Tensor], path: Path) -> None:
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unknown": sorted(state.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in state and state[name].shape != tensor.shape
        ],
    }
    if any(problems.values()):
        raise ValueError(f"'weights' {str(path)!r} do not fit the encoder: {'; '.join(listed(problems))}")


def listed(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """Lists problems and the first tensors that have them, for a message: ``"4 missing (a, b, c, ...)"``."""
    return [
        f"{len(names)} {problem} ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"
        for problem, names in problems.items()
        if names
    ]
