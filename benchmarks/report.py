"""Renders the stored results into the documentation: ``python -m benchmarks.report``."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

Row = dict[str, Any]


class Column(NamedTuple):
    """A column of a table: its title, and what it shows of a row."""

    title: str
    show: Callable[[Row], str]


class Table(NamedTuple):
    """A table of some rows of a result."""

    keep: Callable[[Row], bool]
    columns: Sequence[Column]


def number(key: str, digits: int = 3, unit: str = "") -> Callable[[Row], str]:
    """Shows ``row[key]`` with so many significant digits; a dash where there is none."""

    def show(row: Row) -> str:
        value = row.get(key)
        if value is None:
            return "–"
        large = abs(value) >= 10**digits
        return (f"{value:,.0f}" if large else f"{value:.{digits}g}") + unit

    return show


def text(key: str) -> Callable[[Row], str]:
    """Shows ``row[key]`` as it is."""
    return lambda row: str(row[key])


def spent(row: Row) -> str:
    """Time and memory of a layer, or why there are none."""
    if row["reason"] is not None:
        return row["reason"]
    return f"{number('forward_ms')(row)} + {number('backward_ms')(row)} ms, {number('peak_mib')(row)} MiB"


def percent(key: str) -> Callable[[Row], str]:
    """Shows the share ``row[key]`` in percent, with one digit behind the point."""
    return lambda row: f"{100 * row[key]:.1f} %"


def stage(row: Row) -> str:
    """A stage of a training step; of the whole step also what it was."""
    if row["stage"] != "whole step":
        return str(row["stage"])
    photos = "1 photo" if row["batch_size"] == 1 else f"{row['batch_size']} photos"
    return f"whole step: {photos}, {row['segments']:.0f} segments each, load before: {row['load']:.1f}"


OAP = Table(
    lambda row: True,
    [
        Column("features", lambda row: row["features"]),
        Column("tokens x channels", lambda row: f"{row['tokens']:,} x {row['channels']}"),
        Column("F Fᵀ, ms", number("product_ms")),
        Column("five levels, ms", number("instance_ms")),
        Column("and semantic, ms", number("semantic_ms")),
        Column("/ F Fᵀ", number("instance_ratio", 3, "x")),
        Column("and semantic / F Fᵀ", number("semantic_ratio", 3, "x")),
        Column("literal dense / ours (instance)", number("dense_ratio", 3, "x")),
        Column("peak memory, copies of A", number("peak_copies")),
    ],
)

QUALITY = Table(
    lambda row: True,
    [
        Column("choice", text("choice")),
        *(Column(key, number(key)) for key in ("AP", "AP50", "AR100", "APS", "APM", "APL")),
        Column("best overlap", number("best_overlap")),
        Column("masks a photo", number("masks")),
    ],
)

TRAIN_COST = Table(
    lambda row: True,
    [
        Column("stage", stage),
        Column("ms", number("ms")),
        Column("images/s", number("images_per_second")),
        Column("share of the step", percent("share")),
        Column("peak memory, MiB", number("peak_mib")),
    ],
)

OVERFIT = Table(
    lambda row: True,
    [
        Column("what is trained", text("variant")),
        Column("steps", text("steps")),
        Column("minutes", number("minutes", 2)),
        Column("segments a photo", number("segments")),
        Column("IoU of matched masks", number("overlap")),
        Column("same cluster", percent("agreement")),
        Column("largest cluster", percent("largest_cluster")),
        Column("both at 0.9 from step", number("reached")),
    ],
)

EVALUATION_COST = [
    Table(
        lambda row: row["task"] == "instance",
        [
            Column("masks and boxes", text("contender")),
            Column("images x predictions", lambda row: f"{row['images']:,} x {row['masks']}"),
            Column("s", number("seconds")),
            Column("/ pycocotools", number("seconds_ratio", 3, "x")),
            Column("s of the processor in its own process", number("own_seconds")),
            Column("peak memory, MiB", number("peak_mib")),
            Column("/ pycocotools", number("memory_ratio", 3, "x")),
            Column("AP", number("AP", 5)),
        ],
    ),
    Table(
        lambda row: row["task"] == "panoptic",
        [
            Column("panoptic quality", text("contender")),
            Column("images", lambda row: f"{row['images']} of {row['size'][0]} x {row['size'][1]}"),
            Column("ms an image", number("ms")),
            Column("/ ours", number("ratio", 3, "x")),
            Column("PQ", number("PQ", 4)),
        ],
    ),
]

TABLES: dict[str, Sequence[Table]] = {
    "evaluation_cost": EVALUATION_COST,
    "components": [
        Table(
            lambda row: True,
            [
                Column("graph", text("case")),
                Column("rounds", text("rounds")),
                Column("SciPy's best call, ms", number("scipy_best_ms")),
                Column("which", text("scipy_best_call")),
                Column("as PyG calls it, ms", number("pyg_ms")),
                Column("ours, ms", number("ours_ms")),
                Column("static form, ms", number("static_ms")),
                Column("ours / SciPy's best", number("ours_ratio", 3, "x")),
            ],
        )
    ],
    "oap_cost": [OAP],
    "overfit": [OVERFIT],
    "pseudo_mask_quality": [QUALITY],
    "train_cost": [TRAIN_COST],
    "pooling_cost": [
        Table(
            lambda row: row["table"] == "budgets" and row["against"] == "TopKPooling",
            [
                Column("layer, on 16 grids of 784 nodes, d = 64", text("layer")),
                Column("nodes left of 12,544", number("nodes_left", 4)),
                Column("forward, ms", number("forward_ms")),
                Column("/ TopK", number("forward_ratio", 3, "x")),
                Column("forward and backward, ms", number("both_ms")),
                Column("/ TopK", number("both_ratio", 3, "x")),
            ],
        ),
        Table(
            lambda row: row["table"] == "budgets" and row["against"] == "ClusterPooling",
            [
                Column("layer, on 16 grids of 784 nodes, d = 64", text("layer")),
                Column("forward, ms", number("forward_ms")),
                Column("ClusterPooling, ms", number("other_ms")),
                Column("faster by", number("speedup", 3, "x")),
            ],
        ),
        Table(
            lambda row: row["table"] == "layers",
            [
                Column("layer", text("layer")),
                Column("graph", text("graph")),
                Column("nodes", lambda row: f"{row['nodes']:,}"),
                Column("forward + backward, peak memory; or why not", spent),
            ],
        ),
    ],
}

WITHOUT_FIGURE = {"evaluation_cost", "overfit", "pseudo_mask_quality", "train_cost"}


def render_table(table: Table, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(column.title for column in table.columns) + " |", "|---" * len(table.columns) + "|"]
    lines += [
        "| " + " | ".join(column.show(row).replace("|", "/") for column in table.columns) + " |"
        for row in rows
        if table.keep(row)
    ]
    return "\n".join(lines)


def render_result(result: Row) -> str:
    """Command, circumstances and tables of one stored result."""
    machine, versions = result["machine"], result["versions"]
    where = machine["gpu"] if result["device"] == "cuda" else machine["cpu"]
    memory = f"{machine['memory_gb']:.0f} GB"
    commit = "" if result["commit"] is None else f", commit {result['commit'][:9]}{result['commit'][40:]}"
    head = (
        f"`{result['command']}`\n\n{result['date'][:10]}, {where}, {machine['cores']} cores, {memory}, "
        f"{result['threads']} thread{'s' * (result['threads'] != 1)}; Python {machine['python']}, "
        f"torch {versions['torch']}, PyG {versions['torch_geometric']}, SciPy {versions['scipy']}{commit}."
    )
    return "\n\n".join([head, *(render_table(table, result["rows"]) for table in TABLES[result["benchmark"]])])


def render_page(template: str, results: Path, figures: str) -> str:
    """The template with every line ``{{name}}`` replaced by the result of that name, and its figure if it has one."""
    lines = []
    for line in template.splitlines():
        if not (line.startswith("{{") and line.endswith("}}")):
            lines.append(line)
            continue
        name = line[2:-2]
        result = json.loads((results / f"{name}.json").read_text())
        lines.append(render_result(result))
        if result["benchmark"] not in WITHOUT_FIGURE:
            lines += ["", f"![{name}]({figures}/{name}.png)"]
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.option("--template", type=click.Path(path_type=Path, exists=True), default=Path("benchmarks/page.md"))
@click.option("--results", type=click.Path(path_type=Path, exists=True), default=Path("benchmarks/results"))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("docs/benchmarks.md"))
def main(template: Path, results: Path, output: Path) -> None:
    """Writes the page."""
    output.write_text(render_page(template.read_text(), results, "figures"))
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
