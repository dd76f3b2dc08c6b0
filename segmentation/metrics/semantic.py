"""Pixel accuracy and mean IoU, from one table of pixels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Integer

from graphpool.checks import check_count


@dataclass(frozen=True)
class SemanticScores:
    """How well classes of pixels are found, in percent.

    Attributes:
        pixel_accuracy: share of the pixels whose class is right; ``None`` where no pixel counts.
        mean_iou: mean of ``iou`` over the classes that have one; ``None`` where none has.
        iou: of each class, over all pixels of all photos; ``None`` for a class that is neither in the truth nor
            predicted.
    """

    pixel_accuracy: float | None
    mean_iou: float | None
    iou: tuple[float | None, ...]


def confusion_matrix(
    truth: Integer[np.ndarray, "height width"],
    predicted: Integer[np.ndarray, "height width"],
    num_truth: int,
    num_predicted: int,
    ignore: int = 255,
) -> Int64[np.ndarray, "truth predicted_and_none"]:
    """How many pixels of each true class have each predicted class or cluster. The tables of photos add up.

    Args:
        truth: class of each pixel, from 0, or ``ignore``.
        predicted: class or cluster of each pixel, from 0, or -1 for none. What it is at ignored pixels does not matter.
        num_truth: number of true classes.
        num_predicted: number of predicted classes or clusters.
        ignore: pixels of this truth do not count.

    Returns:
        ``[num_truth, num_predicted + 1]``; the last column has the pixels without a prediction.

    Raises:
        TypeError: no integer arrays.
        ValueError: different sizes, a class that there is not, or ``ignore`` is one of the classes.

    Example:
        >>> truth = np.array([[0, 0, 1, 255]])
        >>> confusion_matrix(truth, np.array([[2, 2, -1, 0]]), num_truth=2, num_predicted=3)
        array([[0, 0, 2, 0],
               [0, 0, 0, 1]])
    """
    check_count("num_truth", num_truth, 1)
    check_count("num_predicted", num_predicted, 0)
    if 0 <= ignore < num_truth:
        raise ValueError(f"'ignore' must be none of the {num_truth} classes, got {ignore}")
    check_integers("truth", truth)
    check_integers("predicted", predicted)
    if truth.shape != predicted.shape:
        raise ValueError(f"'truth' and 'predicted' must have one size, got {truth.shape} and {predicted.shape}")
    counted = truth != ignore
    rows = _in_range("truth", truth[counted], 0, num_truth)
    columns = _in_range("predicted", predicted[counted], -1, num_predicted)
    width = num_predicted + 1
    table = np.bincount(rows * width + columns % width, minlength=num_truth * width)  # -1 % width is the last column
    return table.reshape(num_truth, width)


def semantic_scores(confusion: Integer[np.ndarray, "classes classes_and_none"]) -> SemanticScores:
    """Pixel accuracy and IoU of each class. Pixels without a class are errors.

    Args:
        confusion: ``[classes, classes + 1]``, as :func:`confusion_matrix` makes it of classes, or as
            :meth:`segmentation.metrics.mapping.ClusterMapping.merge` makes it of clusters.

    Raises:
        TypeError: no integer array.
        ValueError: another shape, such as that of a table of clusters.

    Example:
        >>> semantic_scores(np.array([[3, 1, 0], [0, 2, 2]]))  # two of the pixels have no class
        SemanticScores(pixel_accuracy=62.5, mean_iou=57.5, iou=(75.0, 40.0))
    """
    check_integers("confusion", confusion)
    if confusion.ndim != 2 or confusion.shape[1] != confusion.shape[0] + 1:
        raise ValueError(
            "'confusion' must have the shape [classes, classes + 1] (clusters are to be mapped to classes first), "
            f"got {list(confusion.shape)}"
        )
    right = confusion.diagonal()
    total = int(confusion.sum())
    union = confusion.sum(axis=1) + confusion[:, :-1].sum(axis=0) - right
    iou = [100 * r / u if u else None for r, u in zip(right.tolist(), union.tolist(), strict=True)]
    found = [value for value in iou if value is not None]
    return SemanticScores(
        pixel_accuracy=100 * int(right.sum()) / total if total else None,
        mean_iou=sum(found) / len(found) if found else None,
        iou=tuple(iou),
    )


def check_integers(name: str, values: object) -> None:
    """``values`` is a numpy array of integers."""
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.integer):
        kind = f"{values.dtype} array" if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"'{name}' must be a numpy array of integers, got {kind}")


def _in_range(name: str, values: Integer[np.ndarray, " pixels"], low: int, end: int) -> Int64[np.ndarray, " pixels"]:
    if values.size and (values.min() < low or values.max() >= end):
        raise ValueError(
            f"'{name}' must hold values from {low} to {end - 1} where it counts, got {values.min()} to {values.max()}"
        )
    return values.astype(np.int64)
