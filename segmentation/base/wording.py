"""Counts and lists in the words of a message."""

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """``1 photo``, ``1,200 photos``."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def some_of(names: Sequence[str]) -> str:
    """The first names of a list, and whether there are more."""
    return ", ".join(names[:5]) + ", ..." * (len(names) > 5)


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
