"""Measures what each part of the method brings: the paper's Table 4, and what it leaves open."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from benchmarks.ablation_training import VARIANTS, trained_row
from benchmarks.figure import drawn_to
from benchmarks.mask_methods import FIVE, NINE, oap, unit_keys
from benchmarks.mask_treatments import as_ours
from benchmarks.photo_keys import Photos, photo_options, scored
from benchmarks.pseudo_mask_quality import constant, contrast_and_size
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from graphpool import OnlineAgglomerativePooling, grid_graph
from segmentation.segments.score import Cues, SegmentScore

_WAYS: dict[str, dict[str, Any]] = {
    "Eq. 6, sum": {"logits": "sum"},
    "Eq. 6, mean": {"logits": "mean"},
    "plain average": {"features": "mean"},
}
_SIZE = 518
_SMALLEST = 5  # tokens of a supernode that gets a colour
_MASKS = {
    "group": "what",
    "choice": "choice",
    "AP": "AP",
    "AP50": "AP50",
    "AR100": "AR100",
    "best_overlap": "best overlap",
    "masks": "masks/photo",
}
_TRAINING = {"choice": "choice", "AP": "AP", "AR100": "AR100", "mIoU": "mIoU", "PQ": "PQ", "minutes": "minutes"}


def draw(photos: Photos, run: Run) -> None:
    """Draws supernodes by the features that they are compared by: the paper's Figure 4.

    Each row shows the first photo and its levels, except the finest.
    """
    if run.plot_file is None:
        return
    first = replace(photos, names=photos.names[:1], arrays=photos.arrays[:1], keys={})
    [keys] = first.last_keys(_SIZE)
    [grid] = first.grids(_SIZE)
    tokens = unit_keys(keys, "graph")
    with drawn_to(run.plot_file, len(FIVE), (10, 6.5), len(_WAYS)) as panels:
        places = iter(panels)
        for name, options in _WAYS.items():
            axes = next(places)
            axes.imshow(first.arrays[0])
            axes.set_ylabel(name)
            hierarchy = OnlineAgglomerativePooling(FIVE, semantic=False, **options)(tokens, grid_graph(*grid))
            for level in hierarchy.levels[1:]:
                axes = next(places)
                part = level.instance
                axes.imshow(coloured(part.cluster, part.area).view(*grid), cmap="tab20", interpolation="nearest")
                axes.set_title(f"above {level.threshold:g}: {int(part.keep.sum())} masks")
        for axes in panels:
            axes.set(xticks=[], yticks=[])
            axes.grid(False)


def coloured(cluster: Tensor, area: Tensor) -> Tensor:
    """Returns a number for each token by which it is coloured: 1 to 19, or 0 where its supernode is too small.

    Supernodes that follow each other in size have different numbers.
    """
    rank = torch.empty_like(area).scatter_(0, area.argsort(descending=True), torch.arange(area.numel()))
    colour = torch.where(area >= _SMALLEST, 1 + rank % 19, 0)
    return colour[cluster]


@dataclass(frozen=True)
class Choice:
    """A departure from the paper's OAP on centred keys, scored and refined as :mod:`segmentation` does."""

    group: str
    name: str
    thresholds: tuple[float, ...] = FIVE
    pool: dict[str, Any] = field(default_factory=dict)
    center: str = "graph"
    score: Callable[[Cues], Tensor] = field(default_factory=SegmentScore)
    refine: bool = True
    size: int = 518


CHOICES = (
    *(
        Choice("feature weight", f"{weight:g}", pool={"feature_weight": weight})
        for weight in (0, 0.4, 0.5, 0.6, 0.8, 1)
    ),
    Choice("thresholds", "0.9 ... 0.1", NINE),
    Choice("thresholds", "0.5 ... 0.1", (0.5, 0.4, 0.3, 0.2, 0.1)),
    Choice("thresholds", "0.8 ... 0.4"),
    Choice("thresholds", "0.9 ... 0.5", (0.9, 0.8, 0.7, 0.6, 0.5)),
    Choice("thresholds", "0.6", (0.6,)),
    Choice("centring", "each photo's mean token"),
    Choice("centring", "none", center="none"),
    Choice("features of what merged", "Eq. 6, sum"),
    Choice("features of what merged", "Eq. 6, mean", pool={"logits": "mean"}),
    Choice("features of what merged", "plain average", pool={"features": "mean"}),
    Choice("score", "all cues"),
    Choice("score", "contrast, area, border", score=contrast_and_size),
    Choice("score", "constant", score=constant),
    Choice("refinement", "guided filter"),
    Choice("refinement", "none", refine=False),
    *(Choice("tokens", f"{size // 14} x {size // 14}", size=size) for size in (308, 392, 518, 784)),
)
GROUPS = tuple(dict.fromkeys(choice.group for choice in CHOICES))


def mask_row(choice: Choice, photos: Photos, truth: Path) -> Row:
    """Scores the masks that a choice gives for all photos."""
    keys = photos.last_keys(choice.size)
    find = oap(choice.thresholds, **choice.pool)
    annotations = []
    for own, grid, array in zip(keys, photos.grids(choice.size), photos.arrays, strict=True):
        tokens = unit_keys(own, choice.center)
        annotations.append(as_ours(find(tokens, grid), tokens, array, refine=choice.refine, score=choice.score))
    return {"table": "masks", "group": choice.group, "choice": choice.name, **scored(annotations, photos, truth)}


def mask_rows(choices: Iterable[Choice], photos: Photos, truth: Path) -> Iterator[Row]:
    """Yields a row for each choice; choices that mean the same are measured once."""
    known: list[tuple[Choice, Row]] = []
    for choice in choices:
        bare = replace(choice, group="", name="")
        row = next((row for one, row in known if one == bare), None) or mask_row(choice, photos, truth)
        known.append((bare, row))
        yield {**row, "group": choice.group, "choice": choice.name}


@click.command()
@photo_options
@click.option(
    "--group", "groups", multiple=True, type=click.Choice([*GROUPS, "training"]), help="Only these.  [default: all]"
)
@click.option("--largest", default=784, show_default=True, help="Largest size of photos, in pixels.")
@click.option("--steps", default=300, show_default=True, type=click.IntRange(1), help="Of each short training.")
@benchmark_options
def ablations(
    run: Run,
    folder: Path,
    ground_truth: Path,
    encoder: str,
    weights: Path | None,
    limit: int | None,
    groups: tuple[str, ...],
    largest: int,
    steps: int,
) -> None:
    """Quality of pseudo-masks, and of short trainings on generated scenes, with one thing changed at a time."""
    run.begin()
    groups = groups or (*GROUPS, "training")
    photos = Photos.of(folder, encoder, weights, run.device, 2 if run.quick else limit)
    settings = {"photos": len(photos.names), "data": folder.name, "encoder": encoder, "steps": steps}
    record = Record("ablations", run, settings)
    choices = [choice for choice in CHOICES if choice.group in groups and choice.size <= largest]
    if run.quick:
        choices = [replace(choice, size=224) for choice in choices]
    for row in mask_rows(choices, photos, ground_truth):
        record.add(row)
        record.write_json()
    if "training" in groups:
        for variant in VARIANTS[: 1 if run.quick else None]:
            record.add(trained_row(variant, 2 if run.quick else steps, run))
            record.write_json()
    masks, training = ([row for row in record.rows if row["table"] == table] for table in ("masks", "training"))
    print_table(f"Class-agnostic masks of {len(photos.names)} photos, in percent", masks, _MASKS)
    print_table(f"Trained for {steps} steps on generated scenes, in percent", training, _TRAINING)
    record.write_json()
    draw(photos, run)


if __name__ == "__main__":
    ablations()
