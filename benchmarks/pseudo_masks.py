"""Compares pseudo-masks of Online Agglomerative Pooling, TokenCut, MaskCut and Divide-and-Conquer on the same tokens.

The paper's Table 1. Divide-and-Conquer is its merge step only: the divide step needs a trained detector.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import torch
from torch import Tensor

from benchmarks.inputs import region_features
from benchmarks.isolate import Failed, in_fresh_process
from benchmarks.mask_methods import BASELINE, METHODS, Method, unit_keys
from benchmarks.mask_treatments import TREATMENTS
from benchmarks.memory import peak_extra_bytes
from benchmarks.photo_keys import Photos, photo_options, scored
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import measure, stopwatch

_QUALITY = {
    "method": "method",
    "treatment": "masks are",
    "AP": "AP",
    "AP50": "AP50",
    "AR100": "AR100",
    "best_overlap": "best overlap",
    "masks": "masks/photo",
}
_TIMES = {
    "features": "features",
    "method": "method",
    "solver": "solver",
    "ms": "ms",
    "ratio": f"/ {BASELINE}",
    "peak_mib": "peak, MiB",
    "same_masks": "same masks",
    "repeats": "repeats",
}


class Tokens(NamedTuple):
    """Unit tokens of one photo, row by row, and their grid."""

    unit: Tensor
    grid: tuple[int, int]


def tokens_of(photos: Photos, size: int, center: str) -> list[Tokens]:
    """Returns the tokens of every photo at a size."""
    keys = photos.last_keys(size)
    return [Tokens(unit_keys(own, center), grid) for own, grid in zip(keys, photos.grids(size), strict=True)]


def find_all(tokens: Sequence[Tokens], methods: Sequence[Method], run: Run) -> tuple[list[list[Tensor]], list[float]]:
    """Returns the masks of every method for every photo, and its mean milliseconds per photo. Methods take turns."""
    masks: list[list[Tensor]] = [[] for _ in methods]
    seconds = [0.0] * len(methods)
    for photo in tokens:
        for number, method in enumerate(methods):
            call = partial(_keep, masks[number], method, photo)
            seconds[number] += stopwatch(call, run.device)
    return masks, [1000 * spent / max(len(tokens), 1) for spent in seconds]


def _keep(masks: list[Tensor], method: Method, tokens: Tokens) -> None:
    masks.append(method.find(*tokens))


def quality_rows(
    masks: Sequence[Sequence[Tensor]], tokens: Sequence[Tokens], photos: Photos, truth: Path
) -> Iterator[Row]:
    """Yields a row for each algorithm and treatment of its masks."""
    for method, found in zip(METHODS, masks, strict=True):
        for name, treat in TREATMENTS.items() if method.quality else ():
            annotations = [
                treat(own, photo.unit, array) for own, photo, array in zip(found, tokens, photos.arrays, strict=True)
            ]
            yield {"table": "quality", "method": method.name, "treatment": name, **scored(annotations, photos, truth)}


def time_rows(
    features: str, tokens: Sequence[Tokens], ms: Sequence[float], repeats: int, masks: Sequence[Sequence[Tensor]]
) -> Iterator[Row]:
    """Yields a row for each method and solver.

    ``same_masks`` is the share of photos whose masks are those of the first solver of the algorithm.
    """
    first: dict[str, Sequence[Tensor]] = {}
    base = ms[[method.name for method in METHODS].index(BASELINE)]
    for number, (method, spent, found) in enumerate(zip(METHODS, ms, masks, strict=True)):
        expected = first.setdefault(method.name, found)
        same = [torch.equal(one, other) for one, other in zip(expected, found, strict=True)]
        yield {
            "table": "times",
            "features": features,
            "method": method.name,
            "solver": method.solver,
            "tokens": round(sum(len(photo.unit) for photo in tokens) / len(tokens)),
            "channels": tokens[0].unit.size(1),
            "photos": len(tokens),
            "ms": spent,
            "ratio": spent / base,
            "peak_mib": peak(number, tokens[0]),
            "found": sum(map(len, found)) / len(found),
            "same_masks": sum(same) / len(same),
            "repeats": repeats,
        }


def peak(number: int, tokens: Tokens) -> float | None:
    """Measures the peak memory of a method beyond its input, in MiB, in a process of its own."""
    found = in_fresh_process(_peak, number, tokens)
    if isinstance(found, Failed):
        raise click.ClickException(f"{METHODS[number].name}: memory could not be measured: {found.message}")
    return None if found is None else found / 2**20


def _peak(number: int, tokens: Tokens) -> int | None:
    torch.set_num_threads(1)
    call = partial(METHODS[number].find, *tokens)
    call()
    return peak_extra_bytes(call, torch.device("cpu"))


def large_tokens(photos: Photos, center: str, run: Run) -> Iterator[tuple[str, Tokens]]:
    """Yields the tokens timed at 56 x 56: a square of the first photo of the folder, and regions of 768 channels."""
    side = 8 if run.quick else 56
    whole = photos.arrays[0]
    short = min(whole.shape[:2])
    top, left = ((length - short) // 2 for length in whole.shape[:2])
    square = replace(photos, names=photos.names[:1], arrays=[whole[top : top + short, left : left + short]], keys={})
    yield "a photo", tokens_of(square, side * photos.encoder.patch_size, center)[0]
    yield "regions", Tokens(region_features(side, side, 768, run.begin()), (side, side))


@click.command()
@photo_options
@click.option("--size", default=518, show_default=True, type=click.IntRange(1), help="Of the photos, for quality.")
@click.option("--center", default="graph", show_default=True, type=click.Choice(["graph", "none"]), help="Of the keys.")
@click.option("--part", default="both", show_default=True, type=click.Choice(["quality", "times", "both"]))
@benchmark_options
def pseudo_masks(
    run: Run,
    folder: Path,
    ground_truth: Path,
    encoder: str,
    weights: Path | None,
    limit: int | None,
    size: int,
    center: str,
    part: str,
) -> None:
    """AP, AR, best overlap, time and memory of ways to make pseudo-masks, on the same tokens."""
    run.begin()
    photos = Photos.of(folder, encoder, weights, run.device, 2 if run.quick else limit)
    size = 224 if run.quick else size
    settings = {"photos": len(photos.names), "data": folder.name, "encoder": encoder, "size": size, "center": center}
    record = Record("pseudo_masks", run, settings)
    tokens = tokens_of(photos, size, center)
    masks, ms = find_all(tokens, METHODS, run)
    if part != "times":
        for row in quality_rows(masks, tokens, photos, ground_truth):
            record.add(row)
    if part != "quality":
        for row in time_rows("photos", tokens, ms, 1, masks):
            record.add(row)
        for name, large in large_tokens(photos, center, run):
            calls = {str(number): partial(method.find, *large) for number, method in enumerate(METHODS)}
            timings = measure(calls, run.device, run.repeats).values()
            found, _ = find_all([large], METHODS, run)
            for row in time_rows(name, [large], [timing.ms for timing in timings], run.repeats, found):
                record.add(row)
    tables = {table: [row for row in record.rows if row["table"] == table] for table in ("quality", "times")}
    print_table(f"Class-agnostic masks of {len(tokens)} photos, in percent", tables["quality"], _QUALITY)
    print_table("Time of a photo", tables["times"], _TIMES)
    record.write_json()


if __name__ == "__main__":
    pseudo_masks()
