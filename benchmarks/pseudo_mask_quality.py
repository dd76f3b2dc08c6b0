"""Measures what each choice of the pseudo-masker brings, on photos with ground truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from benchmarks.photo_keys import Photos, chosen, photo_options, scored
from benchmarks.record import Record, print_table
from benchmarks.run import Run, benchmark_options
from segmentation import load_preset
from segmentation.config.masks import ScoreSettings
from segmentation.export.coco_files import coco_annotations
from segmentation.segments.score import Cues, SegmentScore

_COLUMNS = {
    "choice": "choice",
    "AP": "AP",
    "AP50": "AP50",
    "AR100": "AR100",
    "AR300": "AR300",
    "best_overlap": "best overlap",
    "masks": "masks/photo",
    "pool_ms": "pool, ms",
    "score_ms": "score, ms",
    "encode_ms": "encode, ms",
}


def constant(cues: Cues) -> Tensor:
    """Scores all masks the same."""
    return torch.full_like(cues.area, 0.5)


def contrast_and_size(cues: Cues) -> Tensor:
    """Scores by contrast x sqrt(area) x (1 - sides / 4), with nothing else."""
    product = cues.contrast.clamp(min=0) * cues.area.sqrt() * (1 - cues.border_sides / 4)
    return (product / 2).clamp(1e-6, 1)


def with_survival(cues: Cues) -> Tensor:
    """Multiplies the default score with a root of the share of levels that the mask survives."""
    return SegmentScore(load_preset("photos").score)(cues) * cues.survival ** (1 / 12)


@dataclass(frozen=True)
class Choice:
    """A departure from the preset."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    score: Callable[[Cues], Tensor] | None = None


# the preset as it was: thresholds tuned to the centred keys of the last block, and the score for its candidates
SEVENTEEN = (0.93, 0.9, 0.87, 0.84, 0.81, 0.78, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3, 0.2, 0.1)
NINE = tuple(round(0.9 - 0.1 * step, 2) for step in range(9))
LAST: dict[str, Any] = {"blocks": 1, "mirror": False}
OLD: dict[str, Any] = {**LAST, "thresholds": SEVENTEEN, "score": ScoreSettings()}
SINGLE: dict[str, Any] = {**LAST, "linkage": "single"}
CHOICES = (
    Choice("preset photos"),
    Choice("300 masks", {"max_masks": 300}),
    Choice("no mirrored photo", {"mirror": False}),
    Choice("keys of two blocks", {"blocks": 2}),
    Choice("keys of the last block", {"blocks": 1}),
    Choice("keys of the last block, no mirrored photo", LAST),
    Choice("single linkage by thresholds: the preset before", OLD),
    Choice("single linkage by thresholds, this score", {**OLD, "score": load_preset("photos").score}),
    Choice("single linkage by shares", SINGLE),
    Choice("the score before", {"score": ScoreSettings()}),
    Choice("score: repeated masks are not lowered", {"score": {"apart": 0.0}}),
    Choice("score: without uncommonness", {"score": {"uncommon": 0.0}}),
    Choice("constant score", score=constant),
    Choice("score: contrast, area, border only", score=contrast_and_size),
    Choice("score: with levels survived", score=with_survival),
    Choice("no refinement", {"refine": False}),
    Choice("single linkage, nine levels, 0.9 ... 0.1", {**OLD, "thresholds": NINE}),
    Choice("single linkage, five levels, 0.8 ... 0.4", {**OLD, "thresholds": (0.8, 0.7, 0.6, 0.5, 0.4)}),
    Choice("single linkage, features by vote (Eq. 6)", {**OLD, "features": "vote"}),
    Choice("single linkage, feature weight 0.6", {**OLD, "feature_weight": 0.6}),
    Choice("diagonal neighbours", {"connectivity": 8}),
    Choice("smallest segment: 6 tokens", {"min_area": 6}),
    Choice("near-duplicates from IoU 0.5", {"max_overlap": 0.5}),
    Choice("near-duplicates from IoU 0.8", {"max_overlap": 0.8}),
    Choice("size 784", {"size": 784}),
)


def measure(choice: Choice, photos: Photos, ground_truth: Path, batch_size: int) -> dict[str, Any]:
    """Makes the masks that a choice gives for all photos, and scores them class-agnostically."""
    settings = load_preset("photos", semantic=False, **choice.changes)
    keys, encode_ms = photos.encoded(settings)
    masker = photos.masker(settings, choice.score)
    annotations: list[list[dict[str, Any]]] = []
    for start in range(0, len(keys), batch_size):
        part = slice(start, start + batch_size)
        annotations += [coco_annotations(found) for found in masker.find(photos.arrays[part], keys[part])]
    ms = {stage: 1000 * seconds / len(keys) for stage, seconds in masker.costs.seconds.items()}
    return {
        "choice": choice.name,
        **scored(annotations, photos, ground_truth),
        "pool_ms": ms["pool"],
        "score_ms": ms["score"],
        "encode_ms": encode_ms,
    }


@click.command()
@photo_options
@click.option("--only", multiple=True, help="Choices whose name has this in it.")
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
    photos = Photos.of(folder, encoder, weights, run.device, 4 if run.quick else limit)
    settings = {"photos": len(photos.names), "data": folder.name, "encoder": encoder}
    record = Record("pseudo_mask_quality", run, settings)
    for choice in chosen(CHOICES, only):
        record.add(measure(choice, photos, ground_truth, batch_size))
    print_table(f"Class-agnostic masks of {len(photos.names)} photos, in percent", record.rows, _COLUMNS)
    record.write_json()


if __name__ == "__main__":
    pseudo_mask_quality()
