"""Records results: a table on the terminal, and a JSON file that says where they come from."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from benchmarks.environment import commit, machine, versions
from benchmarks.run import Run

Row = dict[str, Any]


@dataclass
class Record:
    """Rows of one benchmark, collected while it runs."""

    benchmark: str
    run: Run
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Keeps a row, and shows it on the terminal (standard error)."""
        self.rows.append(row)
        click.echo("  ".join([_text(value) for value in row.values() if value is not None][:6]), err=True)

    def take_earlier(self) -> None:
        """Keeps the rows that an earlier run left in the file of ``--json``, if there is one.

        Raises:
            ValueError: the file is of another benchmark.
        """
        file = self.run.json_file
        if file is None or not file.exists():
            return
        earlier = json.loads(file.read_text())
        if earlier["benchmark"] != self.benchmark:
            raise ValueError(f"'{file.name}' must be of {self.benchmark}, got {earlier['benchmark']}")
        self.rows = earlier["rows"]

    def write_json(self) -> None:
        """Writes everything to the file of ``--json``, if it was given."""
        if self.run.json_file is None:
            return
        contents = {
            "benchmark": self.benchmark,
            "command": self.run.command,
            "commit": commit(),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "threads": self.run.threads,
            "device": str(self.run.device),
            "settings": {"repeats": self.run.repeats, "seed": self.run.seed, "quick": self.run.quick, **self.settings},
            "rows": self.rows,
        }
        self.run.json_file.write_text(json.dumps(contents, indent=1) + "\n")


def print_table(title: str, rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    """Prints the given columns (key of the row: heading), numbers aligned to the right."""
    numeric = {key for key in columns if any(isinstance(row.get(key), int | float) for row in rows)}
    cells = [list(columns.values()), *([_text(row.get(key)) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    click.echo(f"\n{title}")
    for line in cells:
        aligned = (
            text.rjust(width) if key in numeric else text.ljust(width)
            for key, text, width in zip(columns, line, widths, strict=True)
        )
        click.echo("  ".join(aligned).rstrip())


def _text(value: object) -> str:
    """Formats a cell; a timing has no more than three significant digits."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
