"""Reads JSON and checks arrays that callers hand in."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def read_json(name: str, source: object) -> Any:
    """Reads a JSON file if ``source`` is a path; returns anything else as it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not JSON.
    """
    if not isinstance(source, str | Path):
        return source
    try:
        return json.loads(Path(source).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{name}' must be a JSON file, but {source} cannot be read as one: {error}") from error


def check_integers(name: str, values: object) -> None:
    """Raises a TypeError unless ``values`` is a numpy array of integers."""
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.integer):
        kind = f"{values.dtype} array" if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"'{name}' must be a numpy array of integers, got {kind}")
