"""Compares the cost of scoring with that of other libraries: ``python -m benchmarks.evaluation_cost``."""

import contextlib
import io
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch

from benchmarks.generated_masks import panoptic_maps, write_instances
from benchmarks.memory import proportional_bytes
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from segmentation.evaluation.metrics import PanopticQuality, evaluate_instances
from segmentation.evaluation.metrics.segment_matching import PredictedSegment
from segmentation.evaluation.truth.truth_maps import TruthSegment

TRUTH, FOUND = "truth.json", "found.json"
CONTEXT = multiprocessing.get_context("spawn")  # of processes that share no memory with this one
POLL = 0.2  # seconds between two looks at the memory
NUMBERS = ("AP", "AR100")
_INSTANCES = {
    "contender": "contender",
    "seconds": "s",
    "own_seconds": "s of its own process",
    "peak_mib": "peak, MiB",
    "seconds_ratio": "time / pycocotools",
    "memory_ratio": "memory / pycocotools",
    "AP": "AP",
}
_PANOPTIC = {"contender": "contender", "ms": "ms an image", "ratio": "times ours", "PQ": "PQ"}
Scores = dict[str, float | None]


def ours(folder: Path, workers: int) -> Scores:
    """Scores masks and boxes with this package, from files to numbers."""
    scores = evaluate_instances(folder / TRUTH, folder / FOUND, engine="own", workers=workers)
    return {name: scores.mask[name] for name in NUMBERS}


def library(folder: Path, name: str) -> Scores:
    """Scores masks and boxes with another library, as its documentation says."""
    if name == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval as Evaluation
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as Evaluation
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / TRUTH))
        stats: list[Any] = []
        for kind in ("segm", "bbox"):
            evaluation = Evaluation(truth, truth.loadRes(str(folder / FOUND)), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            stats.append(evaluation.stats)
    return {"AP": 100 * float(stats[0][0]), "AR100": 100 * float(stats[0][8])}


def contenders() -> dict[str, Callable[[Path], Scores]]:
    """Returns what is compared; faster-coco-eval only where it is installed."""
    found: dict[str, Callable[[Path], Scores]] = {"pycocotools": partial(library, name="pycocotools")}
    with contextlib.suppress(ImportError):
        import faster_coco_eval  # noqa: F401

        found["faster-coco-eval"] = partial(library, name="faster-coco-eval")
    for workers in (1, 2):
        found[f"ours, {workers} process{'es' * (workers > 1)}"] = partial(ours, workers=workers)
    return found


class Took(NamedTuple):
    """Seconds of a call.

    Attributes:
        wall: seconds by the clock.
        own: processor seconds of the process itself, which other work on the machine hardly changes.
    """

    wall: float
    own: float


def measured(call: Callable[[Path], Scores], folder: Path) -> tuple[Scores, Took, float | None]:
    """Runs a call in a process of its own; returns scores, seconds and peak memory beyond that of the libraries.

    The memory of processes that the call starts counts too; pages that several of them share count once.
    """
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_work, args=(sender, call, folder))
    process.start()
    sender.close()
    receiver.recv()  # its libraries are there
    before = peak = proportional_bytes(process.pid)
    while process.is_alive() and not receiver.poll(POLL):
        now = proportional_bytes(process.pid)
        peak = now if peak is None or now is None else max(peak, now)
    scores, took = receiver.recv()
    process.join()
    return scores, took, None if before is None or peak is None else peak - before


def _work(sender: Connection, call: Callable[[Path], Scores], folder: Path) -> None:
    warnings.simplefilter("ignore")
    sender.send("ready")
    start, busy = time.perf_counter(), time.process_time()
    scores = call(folder)
    sender.send((scores, Took(time.perf_counter() - start, time.process_time() - busy)))


def instance_rows(images: int, masks: int, seed: int) -> Iterator[Row]:
    """Yields a row for each contender on the same files.

    Raises:
        ClickException: a contender's AP differs from that of the first.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_instances(folder / TRUTH, folder / FOUND, images, masks, np.random.default_rng(seed))
        size = (folder / FOUND).stat().st_size
        first: Row = {}
        for contender, call in contenders().items():
            scores, took, peak = measured(call, folder)
            own = None if peak is None else peak / 2**20
            first = first or {"seconds": took.wall, "peak_mib": own, **scores}
            yield {
                "task": "instance",
                "contender": contender,
                "seconds": took.wall,
                "own_seconds": took.own,
                "peak_mib": own,
                "seconds_ratio": took.wall / first["seconds"],
                "memory_ratio": None if not own or not first["peak_mib"] else own / first["peak_mib"],
                **scores,
                "images": images,
                "masks": masks,
                "file_mib": size / 2**20,
            }
            if abs((scores["AP"] or 0) - (first["AP"] or 0)) > 1e-6:
                raise click.ClickException(f"{contender} has AP {scores['AP']}, pycocotools {first['AP']}")


def panoptic_rows(images: int, size: tuple[int, int], seed: int) -> list[Row]:
    """Times ours and torchmetrics on the same maps; returns no rows where torchmetrics is not installed."""
    try:
        from torchmetrics.detection import PanopticQuality as Other
    except ImportError:
        return []
    rng = np.random.default_rng(seed)
    maps = [panoptic_maps(rng, size) for _ in range(images)]
    categories = [(number, number <= 80) for number in range(1, 134)]
    own = PanopticQuality(categories)
    start = time.perf_counter()
    for (truth, true_kinds), (found, found_kinds) in maps:
        own.update(
            truth,
            [TruthSegment(*pair) for pair in true_kinds.items()],
            found,
            [PredictedSegment(*pair) for pair in found_kinds.items()],
        )
    mean = own.compute().all
    seconds = time.perf_counter() - start
    # stuff has no numbers there: every segment is a thing, so that both count the same
    other = Other(things={number for number, _ in categories}, stuffs={1000}, allow_unknown_preds_category=True)
    tensors = [
        [
            torch.from_numpy(np.stack([np.array([0, *kinds.values()])[_index(ids, list(kinds))], ids], axis=-1)[None])
            for ids, kinds in pair
        ]
        for pair in maps
    ]
    start = time.perf_counter()
    for true, predicted in tensors:
        other.update(predicted, true)
    value = 100 * float(other.compute())
    theirs = time.perf_counter() - start
    return [
        {
            "task": "panoptic",
            "contender": name,
            "ms": 1000 * took / images,
            "ratio": took / seconds,
            "PQ": pq,
            "images": images,
            "size": list(size),
        }
        for name, took, pq in (("ours", seconds, mean.pq if mean else None), ("torchmetrics", theirs, value))
    ]


def _index(ids: np.ndarray, known: list[int]) -> np.ndarray:
    places = np.zeros(max(known) + 1, np.int64)
    places[known] = np.arange(1, len(known) + 1)
    found: np.ndarray = places[ids]
    return found


@click.command()
@click.option("--images", type=click.IntRange(1), default=5000, show_default=True, help="Images with instances.")
@click.option("--masks", type=click.IntRange(1), default=100, show_default=True, help="Predictions of each.")
@click.option("--panoptic-images", type=click.IntRange(1), default=5, show_default=True, help="Panoptic maps.")
@benchmark_options
def evaluation_cost(run: Run, images: int, masks: int, panoptic_images: int) -> None:
    """Time and memory of scores of instances, and time of panoptic quality."""
    run.begin()
    if run.quick:
        images, masks, panoptic_images = 40, 10, 1
    record = Record("evaluation_cost", run, {"repeats": 1, "images": images, "masks": masks})
    for row in instance_rows(images, masks, run.seed):
        record.add(row)
    for row in panoptic_rows(panoptic_images, (60, 80) if run.quick else (480, 640), run.seed):
        record.add(row)
    parts = {task: [row for row in record.rows if row["task"] == task] for task in ("instance", "panoptic")}
    print_table(f"Masks and boxes of {images:,} images with {masks} predictions each", parts["instance"], _INSTANCES)
    if parts["panoptic"]:
        print_table(f"Panoptic quality, {panoptic_images} images", parts["panoptic"], _PANOPTIC)
    record.write_json()


if __name__ == "__main__":
    evaluation_cost()
