"""BSDS500: the human segmentations of each photo, and the boundaries that people drew."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from segmentation.evaluation.truth.data_files import DAMAGED, files_in, first_existing


def ground_truth_folder(root: Path, split: str) -> Path:
    """Finds the folder with the ``.mat`` files of a split."""
    places = [root, root / "data", root / "BSDS500/data", root / "BSR/BSDS500/data"]
    folder = first_existing(root, [place / "groundTruth" / split for place in places])
    files_in(root, folder, "*.mat")
    return folder


def read_annotators(file: Path) -> list[Integer[np.ndarray, "height width"]]:
    """Reads the label map of each annotator of a photo.

    Raises:
        ValueError: a file that holds no such maps; the message names it.
    """
    maps = _read_cells(file, "Segmentation")
    if not maps:
        raise ValueError(f"{file} has no annotators: its 'groundTruth' is empty")
    for labels in maps:
        if labels.ndim != 2 or labels.shape != maps[0].shape or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"the 'Segmentation's of {file} must be integer maps of one size, got {labels.dtype} {labels.shape} "
                f"beside {maps[0].dtype} {maps[0].shape}"
            )
    return maps


def read_boundaries(file: Path) -> list[Bool[np.ndarray, "height width"]] | None:
    """Reads where each annotator of a photo drew boundaries; ``None`` if the file does not have them.

    Raises:
        ValueError: a file that holds no such maps, or only of some annotators; the message names it.
    """
    maps = _read_cells(file, "Boundaries", optional=True)
    if not maps:
        return None
    for drawn in maps:
        if drawn.ndim != 2 or drawn.shape != maps[0].shape or drawn.dtype.kind not in "biuf":
            raise ValueError(
                f"the 'Boundaries' of {file} must be maps of one size, got {drawn.dtype} {drawn.shape} "
                f"beside {maps[0].dtype} {maps[0].shape}"
            )
    return [drawn != 0 for drawn in maps]


def _read_cells(file: Path, field: str, *, optional: bool = False) -> list[np.ndarray]:
    """Reads one field of each annotator; none if it is optional and no annotator has it."""
    try:
        cells = loadmat(file)["groundTruth"].ravel()
        if optional and not any(field in cell.dtype.names for cell in cells):
            return []
        return [np.asarray(cell[field].item()) for cell in cells]
    except (*DAMAGED, MatReadError) as error:
        raise ValueError(
            f"{file} must be a MATLAB file with 'groundTruth', cells with a {field!r}, but cannot be read as one: "
            f"{type(error).__name__} {error}"
        ) from error
