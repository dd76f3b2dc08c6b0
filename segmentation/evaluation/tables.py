"""Prints scores as tables on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from segmentation.base.wording import counted
from segmentation.evaluation.metrics.bootstrap import Comparison, Interval
from segmentation.evaluation.metrics.hierarchy_quality import HierarchyScores
from segmentation.evaluation.metrics.instance import InstanceScores
from segmentation.evaluation.metrics.panoptic_maps import PanopticEvaluation
from segmentation.evaluation.metrics.panoptic_quality import Quality
from segmentation.evaluation.metrics.semantic_maps import SemanticEvaluation

_UNMATCHED = {"error": "count as errors", "ignore": "are left out"}
_MEANING = {
    "AP": "IoU 0.50 ... 0.95",
    "AP50": "IoU 0.50",
    "AP75": "IoU 0.75",
    "APS": "small, below 32 x 32",
    "APM": "medium",
    "APL": "large, above 96 x 96",
    "AR1": "1 mask a photo",
    "AR10": "10 masks a photo",
    "AR100": "100 masks a photo",
    "ARS": "small",
    "ARM": "medium",
    "ARL": "large",
}


def print_instance_scores(scores: InstanceScores) -> None:
    """The twelve COCO numbers of masks and boxes, and the average best overlap, in percent."""
    facts = scores.protocol
    table = Table(box=SIMPLE_HEAD, title="Instance segmentation, COCO API, %", title_justify="left")
    table.add_column("score")
    table.add_column("masks", justify="right")
    table.add_column("boxes", justify="right")
    table.add_column("of")
    for name, meaning in _MEANING.items():
        table.add_row(name, percent(scores.mask[name]), percent(scores.box[name]), meaning)
    objects = counted(facts["best_overlap_objects"], "object")
    table.add_row("best overlap", percent(scores.best_overlap), "", f"{objects} above 1 % of the photo")
    classes = "class-agnostic: every category is one" if facts["class_agnostic"] else "class-aware: mean of categories"
    show(
        table,
        f"{classes}; maxDets {'/'.join(map(str, facts['max_dets']))}; kind {facts['kind']}",
        *([] if "mapping" not in facts else [mapping_line(facts)]),
        f"{counted(facts['photos'], 'photo')} ({facts['photos_without_predictions']:,} without predictions), "
        f"{counted(facts['objects'], 'object')} and {facts['crowd_objects']:,} crowd, "
        f"{counted(facts['predictions'], 'prediction')}",
    )


def print_hierarchy_scores(scores: HierarchyScores) -> None:
    """Covering, probabilistic Rand index, variation of information and boundary F-measure at ODS and OIS."""
    facts = scores.protocol
    table = Table(box=SIMPLE_HEAD, title="Hierarchy, BSDS500 benchmarks", title_justify="left")
    table.add_column("score")
    for heading in ("ODS", "OIS", "best", "ODS level"):
        table.add_column(heading, justify="right")
    rows = [
        ("covering", "covering", scores.covering),
        ("PRI", "probabilistic Rand index", scores.pri),
        ("VoI", f"variation of information, {facts['voi_unit']} (lower is better)", scores.voi),
    ]
    how = []
    if scores.boundary is not None:
        rows.append(("boundary", "boundary F-measure", scores.boundary))
        how.append(
            f"boundaries within {facts['boundary_tolerance']:g} of the diagonal, one to one; at the ODS level "
            f"precision {scores.boundary['precision']:.3f}, recall {scores.boundary['recall']:.3f}"
        )
    for key, title, values in rows:
        best = f"{values['best']:.3f}" if "best" in values else ""
        table.add_row(title, f"{values['ODS']:.3f}", f"{values['OIS']:.3f}", best, f"{scores.levels[key]:g}")
    levels = ", ".join(f"{threshold:g}" for threshold in facts["thresholds"])
    show(
        table,
        f"{counted(facts['photos'], 'photo')} with {counted(facts['annotators'], 'human segmentation')} "
        f"({facts['photos_without_predictions']:,} left out, without predictions)",
        f"kind {facts['kind']}; levels {levels}",
        "ODS: best level of the data set; OIS: best level of each photo; best: of each region",
        *how,
    )


def mapping_line(facts: Mapping[str, Any]) -> str:
    """What is said about the mapping of a protocol."""
    own = facts.get("mapping")
    if own is None:
        return "no mapping: predictions have the classes of the data set"
    unmatched = _UNMATCHED.get(own.get("unmatched", ""), "find nothing")
    fitted = "no photos" if own["fitted_on"] is None else own["fitted_on"]
    return (
        f"mapping {own['rule']}, fitted on {fitted}: {own['clusters'] - own['clusters_without_class']} of "
        f"{counted(own['clusters'], 'cluster')} stand for a class; the others {unmatched}"
    )


def percent(value: float | None) -> str:
    """With two digits; a dash where there is none."""
    return "-" if value is None else f"{value:.2f}"


def show(table: Table, *lines: str) -> None:
    """Prints a table and lines below it."""
    console = Console(highlight=False)
    console.print(table)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def print_semantic_scores(found: SemanticEvaluation) -> None:
    """Pixel accuracy, mean IoU and the IoU of each class, in percent."""
    facts, scores = found.protocol, found.scores
    table = Table(box=SIMPLE_HEAD, title="Semantic segmentation, one table of all pixels, %", title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_row("pixel accuracy", percent(scores.pixel_accuracy))
    table.add_row("mean IoU", percent(scores.mean_iou), end_section=True)
    for name, iou in zip(found.classes.names, scores.iou, strict=True):
        if iou is not None:
            table.add_row(name, percent(iou))
    show(table, *_protocol(facts), f"compared at: {facts['size']}")


def print_panoptic_scores(found: PanopticEvaluation) -> None:
    """PQ, SQ and RQ of all classes, of things, of stuff, and of each class, in percent."""
    facts, scores = found.protocol, found.scores
    table = Table(box=SIMPLE_HEAD, title="Panoptic segmentation, COCO's panoptic API, %", title_justify="left")
    table.add_column("classes")
    for heading in ("PQ", "SQ", "RQ", "number"):
        table.add_column(heading, justify="right")
    kinds: tuple[tuple[str, Quality | None, bool | None], ...] = (
        ("all", scores.all, None),
        ("things", scores.things, True),
        ("stuff", scores.stuff, False),
    )
    for name, quality, kind in kinds:
        there = [
            place
            for place, own in scores.per_class.items()
            if own is not None and kind in (None, found.classes.is_thing[place])
        ]
        table.add_row(name, *_qualities(quality), str(len(there)), end_section=name == "stuff")
    for place, quality in scores.per_class.items():
        if quality is not None:
            table.add_row(found.classes.names[place], *_qualities(quality), "")
    without = counted(facts["segments_without_class"], "predicted segment")
    show(table, *_protocol(facts), f"{without} of clusters without a class")


def _protocol(facts: Mapping[str, Any]) -> tuple[str, str]:
    photos = f"{counted(facts['photos'], 'photo')} ({facts['photos_without_predictions']:,} without predictions)"
    return f"{photos}, {facts['classes']} classes; means over the classes that occur", mapping_line(facts)


def _qualities(quality: Quality | None) -> list[str]:
    return [percent(value) for value in ((None,) * 3 if quality is None else quality)]


def print_intervals(found: Mapping[str, Interval], samples: int) -> None:
    """Numbers with their intervals."""
    table = Table(box=SIMPLE_HEAD, title="95 % confidence intervals", title_justify="left")
    table.add_column("score")
    for heading in ("value", "from", "to"):
        table.add_column(heading, justify="right")
    for name, own in found.items():
        table.add_row(name, f"{own.value:.2f}", f"{own.low:.2f}", f"{own.high:.2f}")
    show(table, f"percentiles over {samples:,} resamplings of the photos")


def print_comparison(found: Mapping[str, Comparison], names: tuple[str, str], samples: int) -> None:
    """Differences with their intervals, and whether they are noise."""
    one, other = names
    table = Table(box=SIMPLE_HEAD, title=f"{one} less {other}", title_justify="left")
    table.add_column("score")
    for heading in ("difference", "from", "to", "first better"):
        table.add_column(heading, justify="right")
    table.add_column("the first is")
    for name, own in found.items():
        ends = f"{own.low:+.2f}", f"{own.high:+.2f}"
        table.add_row(name, f"{own.difference:+.2f}", *ends, f"{own.share:.1%}", own.verdict)
    show(table, f"95 % intervals over {samples:,} resamplings of the photos, the same for both")
