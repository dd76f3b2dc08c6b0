"""The figure of :mod:`benchmarks.pooling_cost`."""

from typing import Any

from benchmarks.figure import COLOURS, drawn_to
from benchmarks.layers import LAYERS, OURS
from benchmarks.record import Row
from benchmarks.run import Run

_GREYS = ("#303030", "#585858", "#787878", "#989898", "#b0b0b0", "#c4c4c4")
_MARKERS = "s^vDPX"
_SMALLEST = {"both_ms": 0.0, "peak_mib": 0.5}  # what can be told from nothing


def draw(rows: list[Row], run: Run) -> None:
    """Time and memory over the number of nodes: ours coloured, PyG's grey."""
    if run.plot_file is None:
        return
    panels = {"both_ms": "forward and backward, ms", "peak_mib": "peak memory beyond the input, MiB"}
    peers = [name for name in LAYERS if name not in OURS]
    styles: dict[str, dict[str, Any]] = {
        name: {"color": colour, "marker": "o", "zorder": 3.0} for name, colour in zip(OURS, COLOURS, strict=False)
    }
    for name, colour, marker in zip(peers, _GREYS, _MARKERS, strict=True):
        styles[name] = {"color": colour, "marker": marker, "linestyle": "--", "linewidth": 1.1}
    with drawn_to(run.plot_file, len(panels), (11, 4.4)) as both_axes:
        for axes, (key, label) in zip(both_axes, panels.items(), strict=True):
            for name in LAYERS:
                measured = [row for row in rows if row["layer"] == name and (row.get(key) or 0) > _SMALLEST[key]]
                points = [row["nodes"] for row in measured], [row[key] for row in measured]
                axes.plot(*points, label=name, markersize=4, **styles[name])
            axes.set(xscale="log", yscale="log", xlabel="nodes", ylabel=label)
        both_axes[0].set_title(f"Pooling a grid, {run.device}, threads: {run.threads}")
        both_axes[1].set_title("A line ends where its layer exceeds a limit")
        both_axes[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
