"""Small vision transformers, and the keys of their last block as the whole model computes them."""

from typing import Any

import timm
import torch
from timm.layers import SwiGLUPacked
from timm.models import register_model
from timm.models.vision_transformer import ResPostBlock
from torch import Tensor, nn


def _register(name: str, base: str, **options: Any) -> None:
    """A model of timm with other options."""

    def create(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return timm.create_model(base, pretrained=pretrained, **(options | kwargs))

    create.__name__ = name
    register_model(create)


_register("tiny_qk_norm", "test_vit", qk_norm=True)
_register("tiny_post_norm", "test_vit", block_fn=ResPostBlock)
_register("tiny_registers_apart", "test_vit", reg_tokens=4, no_embed_class=True)
_register("tiny_registers", "tiny_registers_apart", init_values=1e-5)
_register("tiny_swiglu", "test_vit", init_values=1e-5, mlp_layer=SwiGLUPacked, act_layer=nn.SiLU)
_register("tiny_dinov3", "vit_tiny_patch16_dinov3_qkvb", embed_dim=64, num_heads=2, depth=3)
_register("tiny_dinov3_no_bias", "tiny_dinov3", qkv_bias=False)
_register("tiny_rope_mixed", "vit_small_patch16_rope_mixed_224", embed_dim=64, num_heads=2, depth=3)
_register("tiny_rope_ape", "vit_small_patch16_rope_ape_224", embed_dim=64, num_heads=2, depth=3)
_register("tiny_registers_swiglu", "tiny_registers", mlp_layer=SwiGLUPacked, act_layer=nn.SiLU)


def randomised(name: str, **options: Any) -> Any:
    """The whole model, with every parameter of a size that shows in the result: zero biases would hide mistakes."""
    model = timm.create_model(name, dynamic_img_size=True, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 10
            parameter.copy_(torch.randn_like(parameter) * fan_in**-0.5)
    return model


def keys(model: Any, pixels: Tensor) -> Tensor:
    """What the last attention compares queries with, before rotary embeddings, for the patches of photos in [0, 1]."""
    of_heads = _seen(model, model.blocks[-1].attn.k_norm, pixels)  # [batch, heads, tokens, channels], norm or not
    return of_heads.transpose(1, 2).flatten(2)[:, model.num_prefix_tokens :]


def keys_of_qkv(model: Any, pixels: Tensor) -> Tensor:
    """The middle third of the last projection."""
    return _seen(model, model.blocks[-1].attn.qkv, pixels).chunk(3, dim=2)[1][:, model.num_prefix_tokens :]


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in parts of the largest value."""
    assert found.shape == expected.shape
    return float((found.detach() - expected).abs().max() / expected.abs().max())


@torch.no_grad()
def _seen(model: Any, module: nn.Module, pixels: Tensor) -> Tensor:
    """The output of a module while the whole model runs."""
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    mean, std = (torch.tensor(model.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    model((pixels - mean) / std)
    handle.remove()
    (output,) = outputs
    return output
