"""Confidence intervals and comparisons as tables on the terminal."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from segmentation.evaluation.metrics.bootstrap import Comparison, Interval
from segmentation.evaluation.tables import show


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
