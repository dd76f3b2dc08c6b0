"""A timm vision transformer, taken apart: embeddings, blocks one by one, keys of the last block."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.models.eva import EvaBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from graphpool.checks import check_choice, check_tensor, describe
from segmentation.base.wording import first_line
from segmentation.models.weights import adopt_grid, load_weights

_OUR_OPTIONS = ("dynamic_img_size", "in_chans", "num_classes", "pretrained")


class ViT(nn.Module):
    """The embeddings and blocks of a timm vision transformer, without what follows the blocks.

    It is always in evaluation mode, also in training: nothing is dropped and rotary embeddings are not jittered, so
    that its tokens are the same in both.

    Args:
        name, weights, init: see :class:`~segmentation.models.encoder.TokenEncoder`.
        options: arguments of ``timm.create_model``, such as ``{"depth": 4}``; only with ``init="random"``.

    Attributes:
        model: timm's model.
        patch_size: side of a token in pixels.
        channels: width of the tokens.
        key_channels: width of the keys.
        num_prefix_tokens: number of class tokens and registers, which stand before the tokens of the patches.
        mean, std: mean and standard deviation that pixels are normalised with, ``[3, 1, 1]``.

    Raises:
        TypeError: ``name`` is no str.
        ValueError: timm has no such model, or no pretrained weights for it; it has no ``attn.qkv`` after a norm in its
            last block, or a fixed photo size; the file of weights does not fit; timm does not take the ``options``, or
            they come with pretrained weights.
        FileNotFoundError: ``weights`` does not exist.
        ConnectionError: timm's pretrained weights cannot be reached.

    Example:
        >>> vit = ViT("vit_tiny_patch16_224", init="random", options={"depth": 2})
        >>> tokens, rotary = vit.embed(vit.normalised(torch.rand(1, 3, 32, 48)))
        >>> vit.keys(vit.through_block(0, tokens, rotary)).shape  # 2 x 3 tokens
        torch.Size([1, 6, 192])
    """

    def __init__(
        self,
        name: str,
        weights: str | Path | None = None,
        *,
        init: str = "pretrained",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_choice("init", init, ("pretrained", "random"))
        if init == "random" and weights is not None:
            raise ValueError("'weights' and init='random' exclude each other, got both")
        if init != "random" and options:
            raise ValueError(f"'options' must be empty unless init='random', got {dict(options)}")
        self.model = _create(name, options or {}, pretrained=init == "pretrained" and weights is None)
        # only embeddings and blocks stay
        self.model.prune_intermediate_layers([len(self.model.blocks) - 1], prune_norm=True, prune_head=True)
        if weights is not None:
            load_weights(self.model, weights)
        self.patch_size = int(self.model.patch_embed.feat_ratio())
        self.channels = int(self.model.embed_dim)
        self.key_channels = int(self.model.blocks[-1].attn.qkv.out_features) // 3
        self.num_prefix_tokens = int(self.model.num_prefix_tokens)
        self.mean: Tensor
        self.std: Tensor
        for key in ("mean", "std"):
            self.register_buffer(key, torch.tensor(self.model.pretrained_cfg[key]).view(3, 1, 1), persistent=False)
        self.register_load_state_dict_pre_hook(_adopt_saved_grid)
        self.eval()

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.model.blocks)

    def train(self, mode: bool = True) -> "ViT":
        """Keeps the model in evaluation mode, whatever ``mode`` is."""
        return super().train(False)

    def normalised(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """Normalises pixels as those that the model was trained with, in the dtype of its parameters.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.

        Raises:
            TypeError: ``pixels`` is no floating point tensor.
            ValueError: it has no 4 dimensions, no 3 channels, or a size that is no multiple of the patch.
        """
        check_tensor("pixels", pixels, dims=4)
        if pixels.size(1) != 3:
            raise ValueError(f"'pixels' must have 3 channels, got {describe(pixels)}")
        (height, width), patch = pixels.shape[2:], self.patch_size
        if height % patch or width % patch or not height * width:
            raise ValueError(
                f"'pixels' must have a height and width in multiples of the patch of {patch}, got {height} x {width}"
            )
        return ((pixels - self.mean) / self.std).to(next(self.model.parameters()).dtype)

    def embed(self, pixels: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, Any]:
        """Embeds normalised pixels as the input of the first block.

        Returns:
            Tokens with their positions, ``[batch, prefix + tokens, channels]``, and the rotary embeddings that blocks
            take, if the model has any.
        """
        embedded = self.model._pos_embed(self.model.patch_embed(pixels))
        tokens, rotary = embedded if isinstance(embedded, tuple) else (embedded, None)
        return getattr(self.model, "norm_pre", nn.Identity())(tokens), rotary  # Eva of timm < 1.0.16 has none

    def through_block(self, index: int, tokens: Tensor, rotary: Any) -> Tensor:
        """Runs block ``index`` on tokens ``[batch, prefix + tokens, channels]``."""
        block = self.model.blocks[index]
        if rotary is None:
            return block(tokens)
        return block(tokens, rope=rotary[index] if getattr(self.model, "rope_mixed", False) else rotary)

    def patches(self, tokens: Tensor) -> Tensor:
        """Drops the class token and registers."""
        return tokens[:, self.num_prefix_tokens :]

    def keys(self, tokens: Tensor, block: int = -1) -> Tensor:
        """Computes the keys ``[batch, tokens, key_channels]`` of the patches from the input of a block, the last one.

        They go through its norm, key projection and, if there is one, key norm, not the rotary embeddings after it.
        """
        last = self.model.blocks[block]
        weight, bias = key_projection(last.attn.qkv)
        keys = F.linear(last.norm1(self.patches(tokens)), weight, bias).unflatten(2, (last.attn.num_heads, -1))
        return getattr(last.attn, "k_norm", nn.Identity())(keys).flatten(2)  # EvaAttention of timm < 1.0.16 has none


def _adopt_saved_grid(vit: ViT, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Adopts the grid of the position embeddings in a state dict: a file of weights may have changed it."""
    model, positions = vit.model, state.get(f"{prefix}model.pos_embed")
    if positions is not None and model.pos_embed is not None:
        adopt_grid(model, positions.size(1) - (0 if model.no_embed_class else model.num_prefix_tokens))


def key_projection(qkv: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """Returns weight and bias of the key part, the middle third, of a fused query, key and value projection."""
    width = qkv.out_features // 3
    return qkv.weight[width : 2 * width], None if qkv.bias is None else qkv.bias[width : 2 * width]


def _create(name: str, options: Mapping[str, Any], *, pretrained: bool) -> Any:
    _check_name(name, pretrained=pretrained)
    model = _with_options(name, options) if options else _of_any_size(name)
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


def _of_any_size(name: str) -> Any:
    try:
        return timm.create_model(name, num_classes=0, dynamic_img_size=True)
    except TypeError:  # it does not know dynamic_img_size
        raise ValueError(f"'name' must be a vision transformer that takes photos of any size, got {name!r}") from None


def _with_options(name: str, options: Mapping[str, Any]) -> Any:
    ours = sorted(options.keys() & set(_OUR_OPTIONS))
    if ours:
        raise ValueError(f"'options' must not hold {', '.join(map(repr, ours))}, which the encoder sets itself")
    try:
        model: Any = timm.create_model(name, num_classes=0, dynamic_img_size=True, **options)
        sides = set(model.patch_embed.feat_ratio(as_scalar=False))
    except Exception as error:  # timm checks few of its arguments
        raise ValueError(
            f"'options' must be what timm takes for {name!r}, got {dict(options)}: {first_line(error)}"
        ) from error
    if len(sides) > 1:
        raise ValueError(f"'options' must have a square patch_size, got {options['patch_size']}")
    return model


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
