"""Key features of photos from the last self-attention block of a vision transformer."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from segmentation.models.vit import ViT, key_projection


class TokenEncoder(nn.Module):
    """Computes the keys of the last self-attention block of a timm vision transformer.

    Keys of the last block tell objects apart best (TokenCut, CutLER). Of that block only the norm, the key projection
    and, if there is one, the key norm are kept (see :meth:`~segmentation.models.vit.ViT.keys`). The class token and
    registers take part in attention and are dropped from the result. Photos may have any size in multiples of the
    patch: position embeddings are resized.

    Args:
        name: timm's name of the model, such as ``"vit_base_patch8_224.dino"``. The tag after the dot also says which
            mean and standard deviation pixels are normalised with; give it with a file of weights too.
        weights: file of weights (see :func:`~segmentation.models.weights.load_weights`); ``None`` takes timm's
            pretrained ones from its hub.
        init: ``"pretrained"``, or ``"random"`` to train from nothing. Never random unless asked for.

    Attributes:
        name: timm's name of the model.
        patch_size: side of a token in pixels.
        channels: width of the keys.
        mean, std: mean and standard deviation that pixels are normalised with, ``[3, 1, 1]``.

    Raises:
        TypeError, ValueError, FileNotFoundError, ConnectionError: see :class:`~segmentation.models.vit.ViT`.

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
        self.channels, self.patch_size = self.vit.key_channels, self.vit.patch_size
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
        for index in range(self.vit.depth):
            tokens = self.vit.through_block(index, tokens, rotary)
        key = self.key(self.norm(self.vit.patches(tokens)))
        return self.key_norm(key.unflatten(2, (self.num_heads, -1))).flatten(2)

    def encode_photos(self, photos: Sequence[Tensor]) -> list[Tensor]:
        """Computes the keys ``[tokens, channels]`` of photos ``[3, height, width]`` of any sizes, in their order.

        On CUDA photos of one size are one batch. On a CPU, where that is no faster, photos go one by one, so that the
        keys of a photo are the same, bit for bit, whatever other photos there are.
        """
        if not photos or photos[0].device.type == "cpu":
            return [self(photo.unsqueeze(0))[0] for photo in photos]
        shapes = [tuple(photo.shape) for photo in photos]
        keys: dict[int, Tensor] = {}
        for shape in sorted(set(shapes)):
            members = [index for index, other in enumerate(shapes) if other == shape]
            keys.update(zip(members, self(torch.stack([photos[index] for index in members])), strict=True))
        return [keys[index] for index in range(len(photos))]


def _key_layer(qkv: nn.Linear) -> nn.Linear:
    """Copies the key part of a fused query, key and value projection into a layer of its own."""
    weight, bias = key_projection(qkv)
    key = nn.Linear(qkv.in_features, weight.size(0), bias=bias is not None)
    key.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    return key
