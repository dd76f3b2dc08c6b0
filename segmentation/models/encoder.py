"""Key features of photos from the last self-attention blocks of a vision transformer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count
from segmentation.models.vit import ViT, key_projection


class TokenEncoder(nn.Module):
    """Computes the keys of the last self-attention blocks of a timm vision transformer.

    Keys of the last block tell objects apart best (TokenCut, CutLER); those of the blocks before it cost nothing more
    and see other borders. Of the last block only the norm, the key projection and, if there is one, the key norm are
    kept (see :meth:`~segmentation.models.vit.ViT.keys`). The class token and registers take part in attention and are
    dropped from the result. Photos may have any size in multiples of the patch: position embeddings are resized.

    Args:
        name: timm's name of the model, such as ``"vit_base_patch8_224.dino"``. The tag after the dot also says which
            mean and standard deviation pixels are normalised with; give it with a file of weights too.
        weights: file of weights (see :func:`~segmentation.models.weights.load_weights`); ``None`` takes timm's
            pretrained ones from its hub.
        init: ``"pretrained"``, or ``"random"`` to train from nothing. Never random unless asked for.
        blocks: number of blocks, counted from the last, whose keys stand side by side.

    Attributes:
        name: timm's name of the model.
        patch_size: side of a token in pixels.
        blocks: number of blocks that give keys.
        channels: width of the keys of all these blocks.
        mean, std: mean and standard deviation that pixels are normalised with, ``[3, 1, 1]``.

    Raises:
        TypeError, ValueError, FileNotFoundError, ConnectionError: see :class:`~segmentation.models.vit.ViT`.

    Example:
        >>> encoder = TokenEncoder("vit_tiny_patch16_224", init="random")
        >>> encoder(torch.rand(1, 3, 32, 48)).shape  # 2 x 3 tokens
        torch.Size([1, 6, 192])
    """

    def __init__(
        self, name: str, weights: str | Path | None = None, *, init: str = "pretrained", blocks: int = 1
    ) -> None:
        super().__init__()
        self.name, self.blocks = name, check_count("blocks", blocks, 1)
        self.vit = ViT(name, weights, init=init)
        if blocks > self.vit.depth:
            raise ValueError(f"'blocks' must be at most the {self.vit.depth} of {name!r}, got {blocks}")
        self.keys = nn.ModuleList(_Keys(block) for block in self.vit.model.blocks[-blocks:])
        self.vit.model.blocks = self.vit.model.blocks[:-1]
        self.channels, self.patch_size = blocks * self.vit.key_channels, self.vit.patch_size
        self.eval()

    @property
    def mean(self) -> Tensor:
        """Mean of the pixels that the model was trained with."""
        return self.vit.mean

    @property
    def std(self) -> Tensor:
        """Standard deviation of the pixels that the model was trained with."""
        return self.vit.std

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        """Computes the keys of photos of one size, row by row, in the dtype of the encoder.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.

        Raises:
            TypeError, ValueError: see :meth:`~segmentation.models.vit.ViT.normalised`.
        """
        tokens, rotary = self.vit.embed(self.vit.normalised(pixels))
        inputs = [tokens]  # of the blocks
        for index in range(self.vit.depth):
            inputs.append(self.vit.through_block(index, inputs[-1], rotary))
        last = zip(self.keys, inputs[-self.blocks :], strict=True)
        return torch.cat([keys(self.vit.patches(tokens)) for keys, tokens in last], 2)

    def encode_photos(self, photos: Sequence[Tensor]) -> list[Tensor]:
        """Computes the keys ``[tokens, channels]`` of photos ``[3, height, width]`` of any sizes, in their order."""
        return encode_each(self, photos)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns rows and columns of the tokens of a photo of this size."""
        return height // self.patch_size, width // self.patch_size


def encode_each(encoder: Callable[[Tensor], Tensor], photos: Sequence[Tensor]) -> list[Tensor]:
    """Encodes photos ``[3, height, width]`` of any sizes, in their order.

    On CUDA photos of one size are one batch. On a CPU, where that is no faster, photos go one by one, so that the
    tokens of a photo are the same, bit for bit, whatever other photos there are.
    """
    if not photos or photos[0].device.type == "cpu":
        return [encoder(photo.unsqueeze(0))[0] for photo in photos]
    shapes = [tuple(photo.shape) for photo in photos]
    tokens: dict[int, Tensor] = {}
    for shape in sorted(set(shapes)):
        members = [index for index, other in enumerate(shapes) if other == shape]
        tokens.update(zip(members, encoder(torch.stack([photos[index] for index in members])), strict=True))
    return [tokens[index] for index in range(len(photos))]


class _Keys(nn.Module):
    """The part of a block that makes keys: norm, key projection and, if there is one, key norm."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        weight, bias = key_projection(block.attn.qkv)
        self.norm, self.num_heads = block.norm1, int(block.attn.num_heads)
        self.key = nn.Linear(weight.size(1), weight.size(0), bias=bias is not None)
        self.key.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
        self.key_norm = getattr(block.attn, "k_norm", nn.Identity())  # EvaAttention of timm < 1.0.16 has none

    def forward(self, tokens: Tensor) -> Tensor:
        """Computes the keys from the input of the block."""
        return self.key_norm(self.key(self.norm(tokens)).unflatten(2, (self.num_heads, -1))).flatten(2)
