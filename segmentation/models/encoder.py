"""Makes tokens of photos by a vision transformer."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.models.vit import ViT, key_projection


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
        self.name = name
        self.vit = ViT(name, weights, init=init)
        last = self.vit.model.blocks[-1]
        self.vit.model.blocks = self.vit.model.blocks[:-1]
        self.norm, self.key = last.norm1, _key_layer(last.attn.qkv)
        self.key_norm = getattr(last.attn, "k_norm", nn.Identity())  # EvaAttention of timm < 1.0.16 has none
        self.num_heads = int(last.attn.num_heads)
        self.channels = self.vit.key_channels
        self.patch_size = self.vit.patch_size
        self.eval()

    @property
    def mean(self) -> Tensor:
        """Of the pixels that the model was trained with."""
        return self.vit.mean

    @property
    def std(self) -> Tensor:
        """Of the pixels that the model was trained with."""
        return self.vit.std

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
        tokens, rotary = self.vit.embed(self.vit.normalised(pixels))
        for index in range(self.vit.depth):
            tokens = self.vit.through_block(index, tokens, rotary)
        key = self.key(self.norm(self.vit.patches(tokens)))
        return self.key_norm(key.unflatten(2, (self.num_heads, -1))).flatten(2)


def _key_layer(qkv: nn.Linear) -> nn.Linear:
    """A fused projection's part for keys, as a layer of its own."""
    weight, bias = key_projection(qkv)
    key = nn.Linear(qkv.in_features, weight.size(0), bias=bias is not None)
    with torch.no_grad():
        key.weight.copy_(weight)
        if bias is not None:
            key.bias.copy_(bias)
    return key


def encode_photos(encoder: TokenEncoder, photos: Sequence[Tensor]) -> list[Tensor]:
    """Keys ``[tokens, channels]`` of each photo ``[3, height, width]``, in the order given.

    On CUDA photos of one size go through together. On a CPU, where that is no faster, they go one by one: so the keys
    of a photo are the same, bit for bit, whatever else is in the batch.
    """
    if not photos or photos[0].device.type == "cpu":
        return [encoder(photo.unsqueeze(0))[0] for photo in photos]
    keys: dict[int, Tensor] = {}
    for shape in sorted({tuple(photo.shape) for photo in photos}):
        members = [index for index, photo in enumerate(photos) if tuple(photo.shape) == shape]
        keys.update(zip(members, encoder(torch.stack([photos[index] for index in members])), strict=True))
    return [keys[index] for index in range(len(photos))]
