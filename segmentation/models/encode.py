"""Keys of photos of different sizes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segmentation.models.encoder import TokenEncoder


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
