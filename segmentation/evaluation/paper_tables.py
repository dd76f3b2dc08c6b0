"""Prints the paper's Table 2 and Table 3, with the columns that somebody's scores fill."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console

Scores = Mapping[str, Any]
TABLES = ("2", "3")


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        group: heading above the column's.
        title: heading of the column.
        task: task of the score.
        data: name of the data set in the paper's tables.
        path: keys to the score in the scores of a task.
        class_agnostic: whether all categories of instances are one; ``None`` for other tasks.
    """

    group: str
    title: str
    task: str
    data: str
    path: tuple[str, ...]
    class_agnostic: bool | None = None


def _instances(group: str, data: str, kind: str, *numbers: str, class_agnostic: bool = False) -> list[Column]:
    return [Column(group, f"{n} {kind}", "instance", data, (kind, n), class_agnostic) for n in numbers]


def _panoptic(data: str) -> list[Column]:
    return [Column(f"Panoptic {data}", name, "panoptic", data, ("all", name)) for name in ("PQ", "SQ", "RQ")]


PARTS: dict[str, Sequence[Sequence[Column]]] = {
    "2": [
        [
            *_instances("Agn. instance COCO", "COCO", "box", "AP50", "AP", class_agnostic=True),
            *_instances("Instance COCO", "COCO", "box", "AP50", "AR100"),
            *_instances("Instance VOC", "VOC", "box", "AP50", "AR100"),
            *_instances("Instance UVO", "UVO", "box", "AP50", "AR100"),
            Column("Semantic COCO", "PixelAcc", "semantic", "COCO", ("pixel_accuracy",)),
            Column("Semantic COCO", "mIoU", "semantic", "COCO", ("mean_iou",)),
            *_panoptic("COCO"),
            *_panoptic("Cityscapes"),
        ]
    ],
    "3": [
        [
            column
            for data in ("UVO", "COCO")
            for kind in ("box", "mask")
            for column in _instances(f"{data} instance", data, kind, "AP", "AP50", "AR100")
        ],
        [*_panoptic("Cityscapes"), *_panoptic("COCO")],
    ],
}


def print_paper_table(number: str, scores: Sequence[Scores]) -> None:
    """Prints one row of a table in Markdown, its columns in the paper's order; a dash where no score fills them.

    The paper does not say which of AP50 and AP the first two columns of Table 2 are; they are in the order of CutLER's
    figures in them.

    Args:
        number: number of the table.
        scores: scores of tasks as ``--json`` writes them, each with ``protocol`` and in it the ``column`` of its data
            set. Of two for the same column, the first counts.
    """
    console = Console(highlight=False)
    for columns in PARTS[number]:
        titles = [f"{column.group}: {column.title}" for column in columns]
        for cells in (titles, ["---:"] * len(columns), row_of(columns, scores)):
            console.print("| " + " | ".join(cells) + " |", markup=False, soft_wrap=True)
        console.print()


def row_of(columns: Sequence[Column], scores: Sequence[Scores]) -> list[str]:
    """Returns the texts in the columns.

    Example:
        >>> protocol = {"task": "panoptic", "column": "COCO"}
        >>> row_of(PARTS["3"][1], [{"all": {"PQ": 20.24, "SQ": 80.6, "RQ": 26.7}, "protocol": protocol}])
        ['-', '-', '-', '20.2', '80.6', '26.7']
    """
    return [next((text for each in scores if (text := _cell(column, each)) is not None), "-") for column in columns]


def _cell(column: Column, scores: Scores) -> str | None:
    facts = scores["protocol"]
    if (facts.get("task"), facts.get("column")) != (column.task, column.data):
        return None
    if column.class_agnostic is not None and facts["class_agnostic"] != column.class_agnostic:
        return None
    value: Any = scores
    for key in column.path:
        value = None if value is None else value[key]
    return None if value is None else f"{value:.1f}"
