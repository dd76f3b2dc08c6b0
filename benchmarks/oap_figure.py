"""The figure of :mod:`benchmarks.oap_cost`."""

import numpy as np

from benchmarks.figure import COLOURS, drawn_to, plain_ticks
from benchmarks.oap_steps import STEPS
from benchmarks.record import Row
from benchmarks.run import Run

_STEP_LABELS = {"edges": "score and group edges", "merge": "merge, Eq. 6", "semantic": "semantic", "rest": "rest"}


def draw(rows: list[Row], run: Run) -> None:
    """Cost in products, and where the time goes."""
    if run.plot_file is None:
        return
    names = [f"{row['features']}\n{row['tokens']:,} x {row['channels']}" for row in rows]
    places = np.arange(len(rows))
    with drawn_to(run.plot_file, 2, (9.5, 0.55 * len(rows) + 1.6)) as (left, right):
        for key, label, colour in (
            ("instance_ratio", "instance levels", COLOURS[4]),
            ("semantic_ratio", "instance and semantic levels", COLOURS[0]),
        ):
            left.plot([row[key] for row in rows], places, "o", color=colour, label=label)
        dense = [row["dense_ms"] / row["product_ms"] for row in rows]
        left.plot(dense, places, "s", color=COLOURS[1], label="literal Algorithm 1, instance levels")
        left.axvline(1, color="black", linewidth=1)
        left.set(xscale="log", xlabel=r"time / time of the product $F F^\top$ (log scale)")
        plain_ticks(left.xaxis)
        left.set_title(f"OAP, five levels, {run.device}, threads: {run.threads}")
        start = np.zeros(len(rows))
        for step, colour in zip(STEPS, (COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[7]), strict=True):
            share = np.array([100 * row[f"share_{step}"] for row in rows])
            right.barh(places, share, 0.6, left=start, color=colour, label=_STEP_LABELS[step])
            start += share
        right.set(xlabel="share of our time, %", xlim=(0, 100))
        right.set_title("Where the time goes")
        for axes in (left, right):
            axes.set_yticks(*(places, names) if axes is left else ([],))
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(visible=axes is left, axis="x")
            axes.grid(visible=False, axis="y")
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=2)
