"""Tokens of photos: the keys of a vision transformer's last self-attention."""

import difflib
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.models.weights import load_weights

INITS = ("pretrained", "random")


class TokenEncoder(nn.Module):
    """Key features of the last self-attention block of any timm vision transformer.

    Keys of the last block tell objects apart best (TokenCut, CutLER). Only what they need is kept and computed: all
    blocks but the last, then the last one's first norm, its key projection and, where it has one, its key norm.
    The class token and registers take part in attention and are dropped from the result. Photos may have any size in
    multiples of the patch: position embeddings are resized.

    Args:
        name: a model of timm, such as ``"vit_base_patch8_224.dino"``.
        weights: a file of weights (see :func:`~segmentation.models.weights.load_weights`); ``None`` takes timm's
            pretrained ones from its hub.
        init: ``"pretrained"``, or ``"random"`` to train from nothing. Never random unless asked for.

    Attributes:
        patch_size: side of a token in pixels.
        channels: width of the keys.
        mean, std: what the model was trained to see, ``[3, 1, 1]``.

    Raises:
        ValueError: no such model, a model whose last block has no ``attn.qkv``, or weights that do not fit.
        FileNotFoundError: ``weights`` does not exist.
        ConnectionError: timm's pretrained weights cannot be reached.

    Example:
        >>> encoder = TokenEncoder("vit_tiny_patch16_224", init="random")
        >>> encoder(torch.rand(1, 3, 32, 48)).shape  # 2 x 3 tokens
        torch.Size([1, 6, 192])
    """

    def __init__(self, name: str, weights: str | Path | None = None, *, init: str = "pretrained") -> None:
        super().__init__()
        if init not in INITS:
            raise ValueError(f"'init' must be one of {', '.join(map(repr, INITS))}, got {init!r}")
        if init == "random" and weights is not None:
            raise ValueError("'weights' and init='random' exclude each other, got both")
        self.name = name
        model: Any = _create(name, pretrained=init == "pretrained" and weights is None)
        if weights is not None:
            load_weights(model, weights)
        last = model.blocks[-1]
        if not isinstance(getattr(getattr(last, "attn", None), "qkv", None), nn.Linear):
            raise ValueError(f"'name' must be a vision transformer whose blocks have attn.qkv, got {name!r}")
        self.patch_size = int(model.patch_embed.patch_size[0])
        self.num_prefix_tokens = int(model.num_prefix_tokens)
        self.norm, self.key, self.key_norm = last.norm1, _key_projection(last.attn.qkv), last.attn.k_norm
        self.num_heads = int(last.attn.num_heads)
        self.channels = int(self.key.out_features)
        # the model without its last block and without what follows it
        model.blocks, model.norm = model.blocks[:-1], nn.Identity()
        model.reset_classifier(0)
        self.trunk = model
        self.mean: Tensor
        self.std: Tensor
        for key in ("mean", "std"):
            value = torch.tensor(model.pretrained_cfg.get(key, (0.5,) * 3)).view(3, 1, 1)
            self.register_buffer(key, value, persistent=False)
        self.eval()

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        """Keys of a batch of photos of one size.

        Args:
            pixels: RGB in [0, 1], ``[batch, 3, height, width]``, height and width multiples of the patch.

        Returns:
            ``[batch, height / patch * width / patch, channels]``, row by row, in the dtype of the encoder.

        Raises:
            ValueError: a size that is no multiple of the patch.
        """
        height, width = pixels.shape[-2:]
        if height % self.patch_size or width % self.patch_size or not height * width:
            raise ValueError(
                f"'pixels' must have a height and width in multiples of the patch of {self.patch_size}, "
                f"got {height} x {width}"
            )
        tokens = self.trunk.forward_features((pixels - self.mean) / self.std)
        key = self.key(self.norm(tokens[:, self.num_prefix_tokens :]))
        return self.key_norm(key.unflatten(2, (self.num_heads, -1))).flatten(2)


def _create(name: str, *, pretrained: bool) -> nn.Module:
    if not timm.is_model(name.split(".")[0]):
        close = difflib.get_close_matches(name, timm.list_models(pretrained=True), 3, 0.5)
        hint = f"; close: {', '.join(close)}" if close else ""
        raise ValueError(f"'encoder' must be the name of a timm model, got {name!r}{hint}")
    try:
        model = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:
        raise ValueError(f"'encoder' must be a vision transformer of timm, got {name!r}") from None
    if not hasattr(model, "blocks"):
        raise ValueError(f"'encoder' must be a vision transformer of timm, got {name!r}")
    if not pretrained:
        return model
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, dynamic_img_size=True)
    except Exception as error:  # the hub's client raises many kinds, none of them documented
        raise ConnectionError(
            f"the pretrained weights of {name!r} could not be had from timm's hub ({_first_line(error)}). Give a file "
            "with --weights FILE (weights= in Python), or download them on a machine with network: they are then "
            "found in the hub's cache (HF_HOME)"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _key_projection(qkv: nn.Linear) -> nn.Linear:
    """The middle third of a fused projection."""
    width = qkv.out_features // 3
    key = nn.Linear(qkv.in_features, width, bias=qkv.bias is not None)
    with torch.no_grad():
        key.weight.copy_(qkv.weight[width : 2 * width])
        if qkv.bias is not None:
            key.bias.copy_(qkv.bias[width : 2 * width])
    return key
