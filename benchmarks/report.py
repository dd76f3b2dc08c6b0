"""Renders the stored results into the documentation: ``python -m benchmarks.report``."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.report_columns import Pivot, Row, Table
from benchmarks.report_tables import TABLES


def render_table(table: Table | Pivot, rows: Sequence[Row]) -> str | None:
    """Returns a Markdown table; ``None`` if it has no lines."""
    kept = [row for row in rows if table.keep(row)]
    if not kept:
        return None
    if isinstance(table, Pivot):
        columns = list(dict.fromkeys(table.column(row) for row in kept))
        cells = {(table.line(row), table.column(row)): table.show(row) for row in kept}
        names = dict.fromkeys(table.line(row) for row in kept)
        return markdown(
            [table.title, *columns], [[name, *(cells.get((name, key), "") for key in columns)] for name in names]
        )
    return markdown(
        [column.title for column in table.columns], [[column.show(row) for column in table.columns] for row in kept]
    )


def markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table of cells."""
    rows = [titles, ["---"] * len(titles), *([cell.replace("|", "/") for cell in line] for line in lines)]
    return "\n".join("|" + "|".join(row) + "|" if row[0] == "---" else "| " + " | ".join(row) + " |" for row in rows)


def render_result(result: Row) -> str:
    """Returns command, circumstances and tables of one stored result."""
    machine, versions = result["machine"], result["versions"]
    where = machine["gpu"] if result["device"] == "cuda" else machine["cpu"]
    memory = f"{machine['memory_gb']:.0f} GB"
    commit = "" if result["commit"] is None else f", commit {result['commit'][:9]}{result['commit'][40:]}"
    head = (
        f"`{result['command']}`\n\n{result['date'][:10]}, {where}, {machine['cores']} cores, {memory}, "
        f"{result['threads']} thread{'s' * (result['threads'] != 1)}; Python {machine['python']}, "
        f"torch {versions['torch']}, PyG {versions['torch_geometric']}, SciPy {versions['scipy']}{commit}."
    )
    tables = (render_table(table, result["rows"]) for table in TABLES[result["benchmark"]])
    return "\n\n".join([head, *(table for table in tables if table is not None)])


def render_page(template: str, results: Path, figures: str) -> str:
    """Replaces every line ``{{name}}`` of the template by the result of that name, and its figure if it has one.

    A result that is missing is replaced by a note.
    """
    lines = []
    for line in template.splitlines():
        if not (line.startswith("{{") and line.endswith("}}")):
            lines.append(line)
            continue
        name = line[2:-2]
        file = results / f"{name}.json"
        if not file.exists():
            lines.append("*Not measured yet.*")
            continue
        result = json.loads(file.read_text())
        lines.append(render_result(result))
        if "--plot" in result["command"]:
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
