"""The figure of :mod:`benchmarks.scaling`."""

from collections.abc import Callable, Sequence

from benchmarks.figure import COLOURS, drawn_to
from benchmarks.record import Row
from benchmarks.run import Run

_CURVES = {
    "semantic_ms": ("five levels, with semantic ones", COLOURS[1]),
    "instance_ms": ("five levels", COLOURS[0]),
    "features_ms": ("five levels, features only", COLOURS[2]),
}
_PLACES: dict[str, Callable[[Row], float]] = {
    "tokens": lambda row: row["side"] ** 2,
    "photos": lambda row: row["photos"],
    "channels": lambda row: row["channels"],
}


def draw(pooling: Sequence[Row], training: Sequence[Row], run: Run) -> None:
    """Time over each of what is varied with the floor drawn in, memory over tokens, training over processes."""
    if run.plot_file is None:
        return
    with drawn_to(run.plot_file, 5, (18, 3.6)) as panels:
        for axes, (axis, place) in zip(panels, _PLACES.items(), strict=False):
            rows = [row for row in pooling if row["axis"] == axis]
            places = [place(row) for row in rows]
            floor = [row["product_ms"] for row in rows]
            axes.plot(places, floor, "--", color="black", label="floor: one product F Fᵀ")
            for key, (label, colour) in _CURVES.items():
                axes.plot(places, [row[key] for row in rows], "o-", markersize=4, color=colour, label=label)
            axes.set(xlabel=axis, ylabel="ms")
            if rows:
                axes.set(xscale="log", yscale="log")
        panels[0].set_title(f"Time, {run.device}, threads: {run.threads}")
        panels[0].legend(fontsize="small")
        rows = [row for row in pooling if row["axis"] == "tokens" and row["peak_mib"]]
        places = [row["side"] ** 2 for row in rows]
        panels[3].plot(places, [row["affinity_mib"] for row in rows], "--", color="black", label="one copy of A")
        panels[3].plot(places, [row["peak_mib"] for row in rows], "o-", markersize=4, color=COLOURS[1], label="peak")
        panels[3].set(xlabel="tokens", ylabel="MiB beyond the input")
        if rows:
            panels[3].set(xscale="log", yscale="log")
        panels[3].set_title("Memory")
        panels[3].legend(fontsize="small")
        counts = [row["processes"] for row in training]
        panels[4].plot(counts, [row["images_per_second"] for row in training], "o-", color=COLOURS[0])
        panels[4].set(xlabel="processes", ylabel="photos a second", xticks=counts, ylim=(0, None))
        panels[4].set_title("Training, preset scenes")
