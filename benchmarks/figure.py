"""Gives all figures one look. Matplotlib is imported only when something is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

#: Colours that colour-blind readers can tell apart (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")
_STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "font.size": 9,
    "svg.fonttype": "none",
}


def require_matplotlib() -> None:
    """Raises an error that says what to install where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise click.UsageError("--plot needs matplotlib: pip install 'graphpool[plot]'") from error


@contextmanager
def drawn_to(path: Path, panels: int, size: tuple[float, float], rows: int = 1) -> Iterator[list["Axes"]]:
    """Yields axes row by row to draw on, and writes the figure to ``path`` at the end; ``size`` is in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, panels, squeeze=False)
        yield list(axes.flat)
        figure.savefig(path, dpi=160)


def plain_ticks(axis: "Axis") -> None:
    """Puts ticks at 1, 3, 10, 30 ... of a logarithmic axis of ratios, written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
