"""Scores of label maps and panoptic maps as tables on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from segmentation.base.wording import counted
from segmentation.evaluation.metrics.panoptic_maps import PanopticEvaluation
from segmentation.evaluation.metrics.panoptic_quality import Quality
from segmentation.evaluation.metrics.semantic_maps import SemanticEvaluation
from segmentation.evaluation.tables import mapping_line, percent, show


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
