"""Tokens of photos: the keys of a vision transformer's last self-attention."""

import difflib
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.models.eva import EvaBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from graphpool.checks import check_choice, check_tensor, describe
from segmentation.models.weights import first_line, load_weights

INITS = ("pretrained", "random")


class TokenEncoder(nn.Module):
    """Key features of the last self-attention block of a timm vision transformer.

    Keys of the last block tell objects apart best (TokenCut, CutLER). Only what they need is kept and computed: all
    blocks but the last, then the last one's first norm, its key projection and, where it has one, its key norm.
    The class token and registers take part in attention and are dropped from the result. Rotary embeddings turn keys
    after their projection and are not applied here. Photos may have any size in multiples of the patch: position
    embeddings are resized.

    Args:
        name: a model of timm, such as ``"vit_base_patch8_224.dino"``. The tag after the dot also says which mean and
            deviation pixels are normalised with; give it with a file of weights too.
        weights: a file of weights (see :func:`~segmentation.models.weights.load_weights`); ``None`` takes timm's
            pretrained ones from its hub.
        init: ``"pretrained"``, or ``"random"`` to train from nothing. Never random unless asked for.

    Attributes:
        name: as given.
        patch_size: side of a token in pixels.
        channels: width of the keys.
        mean, std: of the pixels that the model was trained with, ``[3, 1, 1]``.

    Raises:
        TypeError: ``name`` is no str.
        ValueError: no such model, one without ``attn.qkv`` after a norm in its last block or of a fixed photo size, no
            pretrained weights for it in timm, or a file of weights that does not fit.
        FileNotFoundError: ``weights`` does not exist.
        ConnectionError: timm's pretrained weights cannot be reached.

    Example:
        >>> encoder = TokenEncoder("vit_tiny_patch16_224", init="random")
        >>> encoder(torch.rand(1, 3, 32, 48)).shape  # 2 x 3 tokens
        torch.Size([1, 6, 192])
    """

    def __init__(self, name: str, weights: str | Path | None = None, *, init: str = "pretrained") -> None:
        super().__init__()
        check_choice("init", init, INITS)
        if init == "random" and weights is not None:
            raise ValueError("'weights' and init='random' exclude each other, got both")
        self.name = name
        model: Any = _create(name, pretrained=init == "pretrained" and weights is None)
        model.prune_intermediate_layers([len(model.blocks) - 1], prune_norm=True, prune_head=True)  # only blocks stay
        if weights is not None:
            load_weights(model, weights)
        last = model.blocks[-1]
        self.norm, self.key = last.norm1, _key_projection(last.attn.qkv)
        self.key_norm = getattr(last.attn, "k_norm", nn.Identity())  # EvaAttention of timm < 1.0.16 has none
        self.num_heads = int(last.attn.num_heads)
        self.channels = int(self.key.out_features)
        model.blocks = model.blocks[:-1]
        self.trunk = model
        self.patch_size = int(model.patch_embed.feat_ratio())
        self.num_prefix_tokens = int(model.num_prefix_tokens)
        self.mean: Tensor
        self.std: Tensor
        for key in ("mean", "std"):
            value = torch.tensor(model.pretrained_cfg[key]).view(3, 1, 1)
            self.register_buffer(key, value, persistent=False)
        self.eval()

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        """Keys of a batch of photos of one size.

        Args:
            pixels: RGB in [0, 1], ``[batch, 3, height, width]``, height and width multiples of the patch.

        Returns:
            ``[batch, height / patch * width / patch, channels]``, row by row, in the dtype of the encoder.

        Raises:
            TypeError: ``pixels`` is no floating point tensor.
            ValueError: it has no 4 dimensions, no 3 channels, or a size that is no multiple of the patch.
        """
        check_tensor("pixels", pixels, dims=4)
        if pixels.size(1) != 3:
            raise ValueError(f"'pixels' must have 3 channels, got {describe(pixels)}")
        height, width = pixels.shape[2:]
        if height % self.patch_size or width % self.patch_size or not height * width:
            raise ValueError(
                f"'pixels' must have a height and width in multiples of the patch of {self.patch_size}, "
                f"got {height} x {width}"
            )
        tokens = self.trunk.forward_features(((pixels - self.mean) / self.std).to(self.key.weight.dtype))
        key = self.key(self.norm(tokens[:, self.num_prefix_tokens :]))
        return self.key_norm(key.unflatten(2, (self.num_heads, -1))).flatten(2)


def _create(name: str, *, pretrained: bool) -> nn.Module:
    _check_name(name, pretrained=pretrained)
    try:
        model: Any = timm.create_model(name, num_classes=0, dynamic_img_size=True)
    except TypeError:  # it does not know dynamic_img_size
        raise ValueError(f"'name' must be a vision transformer that takes photos of any size, got {name!r}") from None
    last = getattr(model, "blocks", [None])[-1]
    # other blocks have no single attention, or no norm in front of it
    if not isinstance(last, (Block, EvaBlock)) or not isinstance(last.attn.qkv, nn.Linear):
        raise ValueError(
            f"'name' must be a vision transformer with attn.qkv after a norm in its last block, got {name!r}"
        )
    if not pretrained:
        return model
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, dynamic_img_size=True)
    except Exception as error:  # the hub's client raises many kinds, none of them documented
        raise ConnectionError(
            f"the pretrained weights of {name!r} could not be had from timm's hub ({first_line(error)}). Give a file "
            "with --weights FILE (weights= in Python), or download them on a machine with network: they are then "
            "found in the hub's cache (HF_HOME)"
        ) from error


def _check_name(name: str, *, pretrained: bool) -> None:
    if not isinstance(name, str):
        raise TypeError(f"'name' must be a str, got {describe(name)}")
    try:
        known = timm.is_model(name)
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:  # a tag that the model does not have
        known = False
    if not known:
        close = difflib.get_close_matches(name, timm.list_models(pretrained=True), 3, 0.5)
        hint = f"; close: {', '.join(close)}" if close else ""
        raise ValueError(f"'name' must be the name of a timm model, got {name!r}{hint}")
    if pretrained and config is not None and not config.has_weights:
        raise ValueError(f"'name' must be a model with pretrained weights, or 'weights' a file of them, got {name!r}")


def _key_projection(qkv: nn.Linear) -> nn.Linear:
    """The middle third of a fused projection."""
    width = qkv.out_features // 3
    key = nn.Linear(qkv.in_features, width, bias=qkv.bias is not None)
    with torch.no_grad():
        key.weight.copy_(qkv.weight[width : 2 * width])
        if qkv.bias is not None:
            key.bias.copy_(qkv.bias[width : 2 * width])
    return key
