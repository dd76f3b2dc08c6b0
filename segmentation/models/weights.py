"""Weights of a timm model: from timm's hub, or from a file in the naming of timm or facebookresearch."""

import pickle
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from timm.models import vision_transformer
from torch import Tensor, nn

_CONTAINERS = ("teacher", "state_dict", "model", "state_dict_ema", "model_ema")
_WRAPPERS = ("_orig_mod.", "module.", "backbone.")


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Loads a file of weights into a timm vision transformer, all of them or none.

    Reads safetensors, and PyTorch checkpoints with ``weights_only=True`` (nothing in the file is executed); fp16, bf16
    or fp32. Takes timm's names, those of facebookresearch's DINO (a ``teacher`` or ``student`` inside a training
    checkpoint as well as a plain backbone) and DINOv2 (``register_tokens``, ``w12``, with or without its
    ``mask_token``). Position embeddings of another grid are resized. A classification or projection head in the file
    that the model lacks is left out; nothing else is.

    Args:
        model: a model of ``timm.create_model``, in fp32.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or unsafe to read, or does not fit the model; the message names what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"'weights' must be a file of weights, got {str(path)!r}, which does not exist")
    state = _backbone(_read(path), path)
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    # timm knows facebookresearch's naming by the mask token, which some files have lost
    state.setdefault("mask_token", torch.zeros(0))
    if not hasattr(model, "pos_embed"):
        state.pop("mask_token")
    convert: Any = vision_transformer.checkpoint_filter_fn
    state = convert(state, model)
    state = {name: tensor for name, tensor in state.items() if not name.startswith(("head.", "fc_norm.", "dino_head."))}
    _check_fits(model, state, path)
    model.load_state_dict(state, strict=False)


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"'weights' must be a safetensors file or a PyTorch state dict, got {str(path)!r}: {reason}")


def _backbone(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of the network itself, without containers and wrappers."""
    while isinstance(content, dict):
        inside = next((content[name] for name in _CONTAINERS if isinstance(content.get(name), dict)), None)
        if inside is None:
            break
        content = inside
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"'weights' must hold a state dict, got {str(path)!r} with {type(content).__name__}")
    state = {}
    for name, value in content.items():
        if isinstance(value, Tensor):
            while name.startswith(_WRAPPERS):
                name = name.split(".", 1)[1]
            state[name] = value
    return state


def _check_fits(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    wanted = model.state_dict()
    missing = sorted(name for name in wanted if name not in state and not name.startswith("head."))
    unknown = sorted(set(state) - set(wanted))
    shapes = sorted(
        f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    )
    problems = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise ValueError(f"'weights' {str(path)!r} do not fit the encoder: {'; '.join(problems)}")
