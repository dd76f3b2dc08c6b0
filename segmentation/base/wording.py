"""Words counts, lists and errors for messages."""

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """Words a number of things.

    Example:
        >>> counted(1, "photo"), counted(1200, "photo")
        ('1 photo', '1,200 photos')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"


def some_of(names: Sequence[str]) -> str:
    """Lists the first five names, and ``...`` where there are more."""
    return ", ".join(names[:5]) + ", ..." * (len(names) > 5)


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
