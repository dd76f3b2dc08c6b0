"""What each choice of the pseudo-masker brings, on photos with ground truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.record import Record, print_table
from benchmarks.run import Run, benchmark_options
from segmentation import MaskSettings, PseudoMasker, TokenEncoder, load_preset
from segmentation.data.decode import read_photo
from segmentation.data.photos import find_photos
from segmentation.export.coco import coco_annotations
from segmentation.metrics.instance import evaluate_instances
from segmentation.segments.cues import Cues
from segmentation.segments.score import SegmentScore

_FILE = click.Path(exists=True, path_type=Path)
_COLUMNS = {
    "choice": "choice",
    "AP": "AP",
    "AP50": "AP50",
    "AR100": "AR100",
    "best_overlap": "best overlap",
    "masks": "masks/photo",
    "pool_ms": "pool, ms",
    "score_ms": "score, ms",
    "encode_ms": "encode, ms",
}


def constant(cues: Cues) -> Tensor:
    """No ranking at all."""
    return torch.full_like(cues.area, 0.5)


def contrast_and_size(cues: Cues) -> Tensor:
    """Contrast x sqrt(area) x (1 - sides / 4), with nothing else."""
    product = cues.contrast.clamp(min=0) * cues.area.sqrt() * (1 - cues.border_sides / 4)
    return (product / 2).clamp(1e-6, 1)


def with_survival(cues: Cues) -> Tensor:
    """The default score times the root of the share of levels survived."""
    return SegmentScore()(cues) * cues.survival ** (1 / 12)


@dataclass(frozen=True)
class Choice:
    """A departure from the preset."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    score: Callable[[Cues], Tensor] = field(default_factory=SegmentScore)


NINE = tuple(round(0.9 - 0.1 * step, 2) for step in range(9))
NINETEEN = tuple(round(0.95 - 0.05 * step, 2) for step in range(19))
CHOICES = (
    Choice("preset photos"),
    Choice("constant score", score=constant),
    Choice("score: contrast, area, border only", score=contrast_and_size),
    Choice("score: with levels survived", score=with_survival),
    Choice("no refinement", {"refine": False}),
    Choice("nineteen levels, 0.95 ... 0.05", {"thresholds": NINETEEN}),
    Choice("nine levels, 0.9 ... 0.1", {"thresholds": NINE}),
    Choice("five levels, 0.8 ... 0.4", {"thresholds": (0.8, 0.7, 0.6, 0.5, 0.4)}),
    Choice("features by vote (Eq. 6)", {"features": "vote"}),
    Choice("feature weight 0.6", {"feature_weight": 0.6}),
    Choice("feature weight 0.8", {"feature_weight": 0.8}),
    Choice("diagonal neighbours", {"connectivity": 8}),
    Choice("near-duplicates from IoU 0.5", {"max_overlap": 0.5}),
    Choice("near-duplicates from IoU 0.8", {"max_overlap": 0.8}),
    Choice("size 784", {"size": 784}),
)


@dataclass
class Photos:
    """The photos and, for each size asked for, their keys."""

    names: list[str]
    arrays: list[np.ndarray]
    encoder: TokenEncoder
    device: torch.device
    keys: dict[int, tuple[list[Tensor], float]] = field(default_factory=dict)

    def encoded(self, settings: MaskSettings) -> tuple[list[Tensor], float]:
        """Keys at a size, and the milliseconds a photo that they took."""
        if settings.size not in self.keys:
            masker = PseudoMasker(self.encoder, settings=settings, device=self.device)
            keys = [masker.encode([photo])[0] for photo in self.arrays]
            self.keys[settings.size] = keys, 1000 * masker.costs.seconds["encode"] / len(keys)
        return self.keys[settings.size]


def measure(choice: Choice, photos: Photos, ground_truth: Path, batch_size: int) -> dict[str, Any]:
    """Makes the masks of all photos by a choice, and scores them class-agnostically."""
    settings = replace(load_preset("photos"), semantic=False, **choice.changes)
    keys, encode_ms = photos.encoded(settings)
    masker = PseudoMasker(photos.encoder, settings=settings, device=photos.device, score=choice.score)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for start in range(0, len(keys), batch_size):
        part = slice(start, start + batch_size)
        for name, found in zip(photos.names[part], masker.find(photos.arrays[part], keys[part]), strict=True):
            images.append({"id": len(images) + 1, "file_name": name, "width": found.width, "height": found.height})
            annotations += [{**each, "image_id": len(images)} for each in coco_annotations(found)]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    predictions = {"images": images, "annotations": annotations}
    scores = evaluate_instances(ground_truth, predictions, class_agnostic=True)
    ms = {stage: 1000 * seconds / len(keys) for stage, seconds in masker.costs.seconds.items()}
    return {
        "choice": choice.name,
        **{name: scores.mask[name] for name in ("AP", "AP50", "AP75", "AR10", "AR100", "APS", "APM", "APL")},
        "best_overlap": scores.best_overlap,
        "masks": len(annotations) / len(keys),
        "pool_ms": ms["pool"],
        "score_ms": ms["score"],
        "encode_ms": encode_ms,
    }


def chosen(names: tuple[str, ...]) -> Iterator[Choice]:
    """The choices asked for, all of them without."""
    for choice in CHOICES:
        if not names or any(name in choice.name for name in names):
            yield choice


@click.command()
@click.option("--photos", "folder", required=True, type=_FILE, help="Folder of photos.")
@click.option("--ground-truth", required=True, type=_FILE, help="Their objects, in COCO's format.")
@click.option("--encoder", required=True, help="Vision transformer, by timm's name.")
@click.option("--weights", type=_FILE, help="Its weights.")
@click.option("--only", multiple=True, help="Choices whose name has this in it.")
@click.option("--limit", type=click.IntRange(1), help="Only the first photos.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@benchmark_options
def pseudo_mask_quality(
    run: Run,
    folder: Path,
    ground_truth: Path,
    encoder: str,
    weights: Path | None,
    only: tuple[str, ...],
    limit: int | None,
    batch_size: int,
) -> None:
    """AP, AR and best overlap of class-agnostic pseudo-masks, one choice changed at a time."""
    run.begin()
    files = list(find_photos([folder]))[: 4 if run.quick else limit]
    arrays = [read_photo(file.path) for file in files]
    photos = Photos([file.name for file in files], arrays, TokenEncoder(encoder, weights), run.device)
    record = Record("pseudo_mask_quality", run, {"photos": len(files), "data": folder.name, "encoder": encoder})
    for choice in chosen(only):
        record.add(measure(choice, photos, ground_truth, batch_size))
    print_table(f"Class-agnostic masks of {len(files)} photos, in percent", record.rows, _COLUMNS)
    record.write_json()


if __name__ == "__main__":
    pseudo_mask_quality()
