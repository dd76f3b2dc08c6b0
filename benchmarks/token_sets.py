"""Compares levels that follow the data with tuned thresholds, on tokens of many layers, sizes and kinds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.photo_keys import Photos, chosen, photo_options, scores_of
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from segmentation import MaskSettings, PseudoMasker, TokenEncoder, load_preset
from segmentation.config.masks import ScoreSettings
from segmentation.data.model_input import resize_photo
from segmentation.evaluation.metrics.bootstrap import compare
from segmentation.evaluation.metrics.instance import InstanceScores
from segmentation.export.coco_files import coco_annotations
from segmentation.models.vit import ViT

Encode = Callable[[Tensor], Tensor]  # photo [3, height, width] in [0, 1] to tokens [N, channels]

# thresholds of single linkage that were tuned to the centred keys of the last block, and how they are moved for others:
# a level's distance from 1 is multiplied
TUNED = (0.93, 0.9, 0.87, 0.84, 0.81, 0.78, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3, 0.2, 0.1)
FACTORS = (0.05, 0.15, 0.4, 1.0, 1.6)
_COLUMNS = {
    "tokens": "tokens",
    "size": "px",
    "center": "centred",
    "AP": "AP",
    "AR100": "AR100",
    "best_overlap": "best overlap",
    "tuned_AP": "tuned thresholds: AP",
    "tuned_AR100": "AR100",
    "tuned_best_overlap": "best overlap",
    "factor": "by factor",
    "fixed_AP": "thresholds as they are: AP",
    "fixed_AR100": "AR100",
}


@dataclass(frozen=True)
class TokenSet:
    """A kind of tokens.

    Attributes:
        name: its name.
        kind: what :func:`encoders` makes them by.
        size: side in pixels.
        center: whether each photo's mean token is subtracted.
    """

    name: str
    kind: str
    size: int = 518
    center: str = "graph"


SETS = (
    TokenSet("keys of the last block", "key-1"),
    TokenSet("keys of the last block", "key-1", center="none"),
    TokenSet("keys of the block before", "key-2"),
    TokenSet("keys of the block before", "key-2", center="none"),
    TokenSet("keys two blocks before", "key-3"),
    TokenSet("keys two blocks before", "key-3", center="none"),
    TokenSet("final tokens", "final"),
    TokenSet("final tokens", "final", center="none"),
    TokenSet("keys of the mirrored photo", "mirrored"),
    TokenSet("keys of the last block", "key-1", 392),
    TokenSet("keys of the last block", "key-1", 784),
    TokenSet("keys of a random transformer", "random"),
    TokenSet("mean colours of patches", "colours"),
)


def centred(tokens: TokenSet) -> str:
    """Says whether tokens are centred."""
    return "yes" if tokens.center == "graph" else "no"


def encoders(name: str, weights: Path | None) -> dict[str, Encode]:
    """Makes the encoder of each kind of tokens."""
    vit, random = ViT(name, weights), TokenEncoder(name, init="random")
    patch = vit.patch_size

    def inputs_of_blocks(photo: Tensor) -> list[Tensor]:
        tokens, rotary = vit.embed(vit.normalised(photo[None]))
        inputs = [tokens]
        for index in range(vit.depth):
            inputs.append(vit.through_block(index, inputs[-1], rotary))
        return inputs

    def keys_of(block: int) -> Encode:
        return lambda photo: vit.keys(inputs_of_blocks(photo)[block - 1], block)[0]

    def mirrored(photo: Tensor) -> Tensor:
        rows, columns = photo.size(1) // patch, photo.size(2) // patch
        return keys_of(-1)(photo.flip(2)).unflatten(0, (rows, columns)).flip(1).flatten(0, 1)

    return {
        **{f"key{block}": keys_of(block) for block in (-1, -2, -3)},
        "final": lambda photo: vit.patches(inputs_of_blocks(photo)[-1])[0],
        "mirrored": mirrored,
        "random": lambda photo: random(photo[None])[0],
        "colours": lambda photo: F.avg_pool2d(photo, patch).flatten(1).T,
    }


def encoded(tokens: TokenSet, encode: Encode, photos: Photos) -> list[Tensor]:
    """Encodes the photos."""
    patch = photos.encoder.patch_size
    with torch.inference_mode():
        return [
            encode(resize_photo(array, rows * patch, columns * patch))
            for array, (rows, columns) in zip(photos.arrays, photos.grids(tokens.size), strict=True)
        ]


def quality(settings: MaskSettings, keys: list[Tensor], photos: Photos, ground_truth: Path) -> InstanceScores:
    """Scores the masks that settings make of tokens."""
    masker = PseudoMasker(photos.encoder, settings=settings, device=photos.device)
    annotations = [
        coco_annotations(found)
        for array, own in zip(photos.arrays, keys, strict=True)
        for found in masker.find([array], [own])
    ]
    return scores_of(annotations, photos, ground_truth)


def row_of(tokens: TokenSet, encode: Encode, photos: Photos, truth: Path, tuning: Photos, tuning_truth: Path) -> Row:
    """Scores one setting for all tokens, thresholds tuned for these on other photos, and thresholds as they are."""
    common: dict[str, Any] = {"size": tokens.size, "center": tokens.center, "semantic": False, "blocks": 1}
    one = load_preset("photos", **common, mirror=False)

    def by_thresholds(factor: float) -> MaskSettings:
        thresholds = [round(1 - factor * (1 - threshold), 6) for threshold in TUNED]
        kept = [threshold for threshold in thresholds if threshold > -1]
        return load_preset("photos", **common, mirror=False, thresholds=kept, score=ScoreSettings())

    some = encoded(tokens, encode, tuning)
    tuned = {factor: quality(by_thresholds(factor), some, tuning, tuning_truth) for factor in FACTORS}
    factor = max(tuned, key=lambda factor: sum(tuned[factor].mask[name] or 0 for name in ("AP", "AR100")))
    keys = encoded(tokens, encode, photos)
    found = {
        "": quality(one, keys, photos, truth),
        "tuned_": quality(by_thresholds(factor), keys, photos, truth),
        "fixed_": quality(by_thresholds(1.0), keys, photos, truth),
    }
    numbers: Row = {}
    for prefix, scores in found.items():
        numbers |= {f"{prefix}{name}": scores.mask[name] for name in ("AP", "AP50", "AR100")}
        numbers[f"{prefix}best_overlap"] = scores.best_overlap
    ours, theirs = found[""].quality, found["tuned_"].quality
    assert ours is not None  # made at its first use
    assert theirs is not None
    for name, difference in compare(ours, theirs, 1000).items():
        if name in ("mask AP", "mask AR100"):
            numbers[f"gain_{name.split()[1]}"] = [difference.difference, difference.low, difference.high]
    return {
        "tokens": tokens.name,
        "size": tokens.size,
        "center": centred(tokens),
        "factor": factor,
        **numbers,
    }


@click.command()
@photo_options
@click.option(
    "--tune-photos", required=True, type=click.Path(exists=True, path_type=Path), help="Photos to tune thresholds on."
)
@click.option(
    "--tune-ground-truth", required=True, type=click.Path(exists=True, path_type=Path), help="And their objects."
)
@click.option("--tune-limit", default=20, show_default=True, type=click.IntRange(1), help="Only the first of these.")
@click.option("--only", multiple=True, help="Token sets whose name has this in it.")
@click.option("--resume", is_flag=True, help="Keep the rows of the file, and leave out the tokens that it has.")
@benchmark_options
def token_sets(
    run: Run,
    folder: Path,
    ground_truth: Path,
    encoder: str,
    weights: Path | None,
    limit: int | None,
    tune_photos: Path,
    tune_ground_truth: Path,
    tune_limit: int,
    only: tuple[str, ...],
    resume: bool,
) -> None:
    """One setting for all tokens against thresholds tuned for each, class-agnostic masks."""
    run.begin()
    photos = Photos.of(folder, encoder, weights, run.device, 1 if run.quick else limit)
    tuning = Photos.of(tune_photos, encoder, weights, run.device, 1 if run.quick else tune_limit)
    settings = {"photos": len(photos.names), "tuned_on": len(tuning.names), "data": folder.name, "encoder": encoder}
    record = Record("token_sets", run, settings)
    ways = encoders(encoder, weights)
    if resume:
        record.take_earlier()
    done = {(row["tokens"], row["size"], row["center"]) for row in record.rows}
    for tokens in chosen(SETS, only):
        if (tokens.name, tokens.size, centred(tokens)) in done:
            continue
        tokens = replace(tokens, size=224) if run.quick else tokens
        record.add(row_of(tokens, ways[tokens.kind], photos, ground_truth, tuning, tune_ground_truth))
        record.write_json()  # a long run leaves what it has
    shares = [row["AR100"] / row["tuned_AR100"] for row in record.rows if row["tuned_AR100"]]
    print_table(f"Class-agnostic masks of {len(photos.names)} photos, in percent", record.rows, _COLUMNS)
    if shares:
        click.echo(
            f"AR100 against tuned thresholds: {min(shares):.2f} to {max(shares):.2f}, median {np.median(shares):.2f}"
        )
    record.write_json()


if __name__ == "__main__":
    token_sets()
