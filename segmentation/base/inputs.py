"""Reads and checks what callers hand in: JSON, arrays of integers."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def loaded_json(name: str, source: object) -> Any:
    """The contents of the file if ``source`` is a path, else ``source``."""
    if not isinstance(source, str | Path):
        return source
    try:
        return json.loads(Path(source).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{name}' must be a JSON file, but {source} cannot be read as one: {error}") from error


def check_integers(name: str, values: object) -> None:
    """``values`` is a numpy array of integers."""
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.integer):
        kind = f"{values.dtype} array" if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"'{name}' must be a numpy array of integers, got {kind}")
