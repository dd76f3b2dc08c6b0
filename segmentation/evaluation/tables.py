"""Prints scores as tables on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from segmentation.base.wording import counted
from segmentation.evaluation.metrics.bootstrap import Comparison, Interval
from segmentation.evaluation.metrics.detection_limits import check_max_dets, recall_names
from segmentation.evaluation.metrics.hierarchy_quality import HierarchyScores
from segmentation.evaluation.metrics.instance import InstanceScores
from segmentation.evaluation.metrics.panoptic_maps import PanopticEvaluation
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
    """Prints COCO's numbers of masks and boxes, AR at other limits, and the average best overlap, in percent."""
    facts = scores.protocol
    table = new_table("Instance segmentation, COCO API, %", "score", ">masks", ">boxes", "of")
    meanings = dict(_MEANING)
    for limit in check_max_dets(facts["max_dets"]):
        own = (f"{counted(limit, 'mask')} a photo", "small", "medium", "large")
        meanings.update(zip(recall_names([limit]), own, strict=True))
    for name, meaning in meanings.items():
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
    """Prints covering, probabilistic Rand index, variation of information and boundary F-measure at ODS and OIS."""
    facts = scores.protocol
    table = new_table("Hierarchy, BSDS500 benchmarks", "score", ">ODS", ">OIS", ">best", ">ODS level")
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
    """Says in a line how clusters were mapped, by the facts of a protocol."""
    mapping = facts.get("mapping")
    if mapping is None:
        return "no mapping: predictions have the classes of the data set"
    unmatched = _UNMATCHED.get(mapping.get("unmatched", ""), "find nothing")
    fitted = "no photos" if mapping["fitted_on"] is None else mapping["fitted_on"]
    return (
        f"mapping {mapping['rule']}, fitted on {fitted}: {mapping['clusters'] - mapping['clusters_without_class']} of "
        f"{counted(mapping['clusters'], 'cluster')} stand for a class; the others {unmatched}"
    )


def percent(value: float | None) -> str:
    """Writes a number with two digits, and none as a dash."""
    return "-" if value is None else f"{value:.2f}"


def new_table(title: str, *headings: str) -> Table:
    """Makes an empty table; columns whose heading starts with ``>`` are aligned to the right."""
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
    return table


def show(table: Table, *lines: str) -> None:
    """Prints a table and lines below it."""
    console = Console(highlight=False)
    console.print(table)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def print_semantic_scores(evaluation: SemanticEvaluation) -> None:
    """Prints pixel accuracy, mean IoU and the IoU of each class, in percent."""
    facts, scores = evaluation.protocol, evaluation.scores
    table = new_table("Semantic segmentation, one table of all pixels, %", "score", ">value")
    table.add_row("pixel accuracy", percent(scores.pixel_accuracy))
    table.add_row("mean IoU", percent(scores.mean_iou), end_section=True)
    for name, iou in zip(evaluation.classes.names, scores.iou, strict=True):
        if iou is not None:
            table.add_row(name, percent(iou))
    show(table, *_protocol_lines(facts), f"compared at: {facts['size']}")


def print_panoptic_scores(evaluation: PanopticEvaluation) -> None:
    """Prints PQ, SQ and RQ of all classes, of things, of stuff, and of each class, in percent."""
    facts, scores, classes = evaluation.protocol, evaluation.scores, evaluation.classes
    table = new_table("Panoptic segmentation, COCO's panoptic API, %", "classes", ">PQ", ">SQ", ">RQ", ">number")
    qualities = {place: quality for place, quality in scores.per_class.items() if quality is not None}
    things = sum(classes.is_thing[place] for place in qualities)
    for name, mean, number in (
        ("all", scores.all, len(qualities)),
        ("things", scores.things, things),
        ("stuff", scores.stuff, len(qualities) - things),
    ):
        table.add_row(name, *map(percent, mean or (None,) * 3), str(number), end_section=name == "stuff")
    for place, quality in qualities.items():
        table.add_row(classes.names[place], *map(percent, quality), "")
    without = counted(facts["segments_without_class"], "predicted segment")
    show(table, *_protocol_lines(facts), f"{without} of clusters without a class")


def _protocol_lines(facts: Mapping[str, Any]) -> tuple[str, str]:
    photos = f"{counted(facts['photos'], 'photo')} ({facts['photos_without_predictions']:,} without predictions)"
    return f"{photos}, {facts['classes']} classes; means over the classes that occur", mapping_line(facts)


def print_intervals(intervals: Mapping[str, Interval], samples: int) -> None:
    """Prints scores with their confidence intervals."""
    table = new_table("95 % confidence intervals", "score", ">value", ">from", ">to")
    for name, interval in intervals.items():
        table.add_row(name, *(f"{value:.2f}" for value in (interval.value, interval.low, interval.high)))
    show(table, f"percentiles over {samples:,} resamplings of the photos")


def print_comparison(comparisons: Mapping[str, Comparison], names: tuple[str, str], samples: int) -> None:
    """Prints differences of scores with their confidence intervals, and whether they are noise."""
    headings = ("score", ">difference", ">from", ">to", ">first better", "the first is")
    table = new_table(f"{names[0]} less {names[1]}", *headings)
    for name, each in comparisons.items():
        numbers = (f"{value:+.2f}" for value in (each.difference, each.low, each.high))
        table.add_row(name, *numbers, f"{each.share:.1%}", each.verdict)
    show(table, f"95 % intervals over {samples:,} resamplings of the photos, the same for both")
