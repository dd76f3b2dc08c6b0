"""Training runs whose steps take a tenth of a second."""

import io
import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from segmentation.config import TrainSettings, load_training
from segmentation.models.files import load_model_state
from segmentation.training.checkpoint import load_checkpoint
from segmentation.training.distributed import Processes
from segmentation.training.run import TrainRun

ALONE = Processes(torch.device("cpu"))
NETWORK = (
    "encoder.options={img_size: 64, patch_size: 8, embed_dim: 32, depth: 2, num_heads: 2}",
    "adapter={interactions: 2, heads: 2, points: 2, stem_channels: 8}",
    "decoder={channels: 32, heads: 2, points: 2, pixel_layers: 1, pixel_feedforward: 32, layers: 1, feedforward: 32}",
    "decoder={instance_queries: 8, semantic_queries: 4}",
    "head={clusters: 16, hidden: 32, bottleneck: 16}",
)
TEACHING = (
    "masks.size=64",
    "views={size: 64, local_size: 32, local_views: 1, global_views: 0}",
    "teacher={instance_segments: 6, semantic_segments: 3}",
    "losses.points=64",
    "optimizer={steps: 6, batch_size: 2, accumulate: 1, warmup: 2, head_frozen: 2}",
    "run={scenes: 16, save_every: 2, log_every: 1}",
)
TINY = (*NETWORK, *TEACHING)
FROZEN = ("encoder.freeze=true", "run={fixed_views: 1, scenes: 6}")
WINDOWS = (*FROZEN, "views={global_views: 1, local_views: 0, window: {side: 0.6, flip: 0.5}}")


def tiny(*changes: str) -> TrainSettings:
    """The preset of the scenes in miniature."""
    return load_training("scenes", [*TINY, *changes])


def start(settings: TrainSettings, folder: Path, **options: Any) -> TrainRun:
    """A run that can be trained; what it says is in :func:`said`."""
    return TrainRun(settings, folder, ALONE, Console(file=io.StringIO(), width=200), **options)


def said(run: TrainRun) -> str:
    assert isinstance(run.console.file, io.StringIO)
    return run.console.file.getvalue()


def results(folder: Path) -> dict[str, Any]:
    """All that a run leaves behind but what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {
        "model": load_model_state(folder),
        "checkpoint": load_checkpoint(folder),
        "log": [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines],
        "panels": sorted(path.name for path in (folder / "panels").glob("*")),
        "settings": (folder / "config.yaml").read_text(),
    }


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two results are not the same to the last bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [path]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for index, pair in pairs for found in differences(*pair, f"{path}/{index}")]
    return [] if type(one) is type(other) and one == other else [path]
