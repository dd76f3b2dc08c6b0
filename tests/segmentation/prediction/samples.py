"""What queries may find, a tiny model, and photos."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from segmentation.config import TrainSettings, load_training
from segmentation.models.files import save_model
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.queries import QueryMasks

NUM_CLUSTERS = 9
_TINY = (
    "masks.size=64",
    "masks.max_overlap=0.9",
    "masks.max_share=1",
    "encoder.options={img_size: 64, patch_size: 8, embed_dim: 32, depth: 2, num_heads: 2}",
    "adapter.heads=2",
    "adapter.stem_channels=8",
    "decoder.channels=32",
    "decoder.pixel_layers=1",
    "decoder.instance_queries=12",
    "decoder.semantic_queries=6",
    "teacher.instance_segments=12",
    "teacher.semantic_segments=6",
    f"head.clusters={NUM_CLUSTERS}",
)


def random_found(instance: int, semantic: int, grid: tuple[int, int] = (12, 15), clusters: int = 5) -> QueryMasks:
    """Smooth masks of a few blobs each, some of them nearly alike."""
    count = instance + semantic
    logits = F.interpolate(6 * torch.randn(1, count, 3, 4) - 1, grid, mode="bicubic")[0]
    logits[1::4] = logits[: len(logits[1::4]) * 4 : 4] + 0.3 * torch.randn(len(logits[1::4]), *grid)
    return QueryMasks(logits, torch.rand(count), torch.randint(clusters, (count,)), instance)


def large(values: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Values on a grid, at the size of a photo."""
    enlarged: NDArray[np.float32] = F.interpolate(values[None], size, mode="bilinear")[0].numpy()
    return enlarged


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Boxes of one colour."""
    rng = np.random.default_rng(seed)
    photo = np.full((height, width, 3), rng.integers(0, 256, 3), dtype=np.uint8)
    for _ in range(5):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        photo[top : top + height // 2 + 1, left : left + width // 2 + 1] = rng.integers(0, 256, 3)
    return photo


def tiny_settings(*changes: str) -> TrainSettings:
    return load_training("scenes", [*_TINY, *changes])


def tiny_model(settings: TrainSettings) -> UniversalModel:
    """Of random weights, with masks, objectness and clusters that differ from query to query."""
    torch.manual_seed(1)
    model = UniversalModel(settings)
    with torch.no_grad():
        model.mask_decoder.objectness.weight.mul_(8)
        model.mask_decoder.objectness.bias.fill_(0.5)
        model.mask_decoder.query_features.mul_(8)
    return model


def seen_model(settings: TrainSettings) -> UniversalModel:
    """One whose clusters have seen segments."""
    model, clusters = tiny_model(settings), settings.head.clusters
    with torch.no_grad():
        model.key_mean.copy_(model.tokens(torch.rand(1, 3, 64, 64)).mean((0, 1)))
    model.thingness.update(100 * torch.rand(clusters), torch.full((clusters,), 100.0))
    return model


def write_model(folder: Path, *changes: str) -> None:
    settings = tiny_settings(*changes)
    save_model(folder, tiny_model(settings).state_dict(), settings)
