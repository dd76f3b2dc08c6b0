"""The tokens of a trained model, made as a plain encoder makes its keys."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphpool.checks import check_count
from segmentation.models.encoder import encode_each
from segmentation.models.universal_model import UniversalModel


class ModelTokens(nn.Module):
    """Computes the tokens that a trained model groups: keys of its encoder, or pixels of its finest map.

    Stands in for a :class:`~segmentation.models.encoder.TokenEncoder` where pseudo-masks are made.

    Args:
        model: a trained segmentor.
        blocks: number of blocks, counted from the last, whose keys stand side by side; 1 for a model whose segments are
            groups of its finest map.
        dtype: precision that the network runs in; its weights stay as they are.

    Attributes:
        patch_size: side in pixels that the sides of photos are multiples of.
        channels: width of the tokens of one block.

    Raises:
        ValueError: more ``blocks`` than the model has.
    """

    def __init__(self, model: UniversalModel, blocks: int = 1, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.model, self.blocks, self.dtype = model, check_count("blocks", blocks, 1), dtype
        self.patch_size, self.channels = model.encoder.patch_size, model.token_channels
        most = 1 if model.by_map else model.encoder.vit.depth
        if blocks > most:
            raise ValueError(f"'blocks' must be at most {most} for this model, got {blocks}")

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns rows and columns of the tokens of a photo of this size."""
        return self.model.grid(height, width)

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens channels"]:
        """Computes the tokens of photos of one size, row by row, in float32.

        Args:
            pixels: RGB in [0, 1], height and width multiples of the patch.
        """
        with torch.autocast(pixels.device.type, self.dtype, enabled=self.dtype != torch.float32):
            tokens = self.model.tokens(pixels.float(), blocks=self.blocks)
        return tokens.float()

    def encode_photos(self, photos: Sequence[Tensor]) -> list[Tensor]:
        """Computes the tokens ``[tokens, channels]`` of photos ``[3, height, width]`` of any sizes, in their order."""
        return encode_each(self, photos)
