"""Building blocks of the tables of the documentation."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Row = dict[str, Any]


class Column(NamedTuple):
    """A column of a table: its title, and how it shows a row."""

    title: str
    show: Callable[[Row], str]


class Table(NamedTuple):
    """A table of some rows of a result; left out where there are none."""

    keep: Callable[[Row], bool]
    columns: Sequence[Column]


class Pivot(NamedTuple):
    """A table with a line for each value of ``line`` and a column for each of ``column``; left out if it is empty."""

    keep: Callable[[Row], bool]
    title: str
    line: Callable[[Row], str]
    column: Callable[[Row], str]
    show: Callable[[Row], str]


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


def percent(key: str) -> Callable[[Row], str]:
    """Shows the share ``row[key]`` in percent, with one digit behind the point; a dash where there is none."""
    return lambda row: "–" if row.get(key) is None else f"{100 * row[key]:.1f} %"


def interval(key: str) -> Callable[[Row], str]:
    """Shows the difference ``row[key]`` and its interval, given as the three numbers."""

    def show(row: Row) -> str:
        difference, low, high = row[key]
        return f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"

    return show


def of_table(name: str) -> Callable[[Row], bool]:
    """Keeps the rows of one table of a result."""
    return lambda row: bool(row["table"] == name)
