"""Pixel accuracy and mean IoU, from one confusion matrix of pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer
from scipy.sparse import csr_array

from graphpool.checks import check_count
from segmentation.base.inputs import check_integers


@dataclass(frozen=True)
class SemanticScores:
    """How well classes of pixels are found, in percent.

    Attributes:
        pixel_accuracy: share of the pixels whose class is right; ``None`` where no pixel counts.
        mean_iou: mean of ``iou`` over the classes that have one; ``None`` where none has.
        iou: IoU of each class, over all pixels of all photos; ``None`` for a class that is neither in the truth nor
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
    """Counts the pixels of each true class that have each predicted class or cluster. The matrices of photos add up.

    Args:
        truth: class of each pixel, from 0, or ``ignore``.
        predicted: class or cluster of each pixel, from 0, or -1 for none. What it is at ignored pixels does not matter.
        num_truth: number of true classes.
        num_predicted: number of predicted classes or clusters.
        ignore: value of ``truth`` where pixels do not count.

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
    entries = np.bincount(rows * width + columns % width, minlength=num_truth * width)  # -1 % width: the last column
    return entries.reshape(num_truth, width)


def _in_range(name: str, values: Integer[np.ndarray, " pixels"], low: int, end: int) -> Int64[np.ndarray, " pixels"]:
    if values.size and (values.min() < low or values.max() >= end):
        raise ValueError(
            f"'{name}' must hold values from {low} to {end - 1} where it counts, got {values.min()} to {values.max()}"
        )
    return values.astype(np.int64)


def semantic_scores(confusion: Integer[np.ndarray, "classes classes_and_none"]) -> SemanticScores:
    """Computes pixel accuracy and the IoU of each class. Pixels without a class are errors.

    Args:
        confusion: ``[classes, classes + 1]``, as :func:`confusion_matrix` makes it of classes, or as
            :meth:`segmentation.prediction.clusters.ClusterMapping.merge` makes it of clusters.

    Raises:
        TypeError: no integer array.
        ValueError: another shape, such as that of clusters.

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
    values = [value for value in iou if value is not None]
    return SemanticScores(
        pixel_accuracy=100 * int(right.sum()) / total if total else None,
        mean_iou=sum(values) / len(values) if values else None,
        iou=tuple(iou),
    )


class SemanticQuality:
    """Adds up the confusion matrices of photos, and keeps each: photos can be weighted, and clusters mapped later.

    Args:
        num_classes: number of true classes.
        num_predicted: number of predicted classes or clusters; that of the true classes by default.
        ignore: true class of pixels that do not count.

    Example:
        >>> quality = SemanticQuality(2)
        >>> quality.update(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 0]]))
        >>> quality.compute().iou
        (50.0, 50.0)
    """

    def __init__(self, num_classes: int, num_predicted: int | None = None, *, ignore: int = 255) -> None:
        self.num_classes, self.ignore = num_classes, ignore
        self.num_predicted = num_classes if num_predicted is None else num_predicted
        # the entries of each photo's confusion matrix that are not 0: their places, row by row, and their pixels
        self._photos: list[tuple[Int64[np.ndarray, " entries"], Int64[np.ndarray, " entries"]]] = []

    @property
    def num_photos(self) -> int:
        """Number of photos so far."""
        return len(self._photos)

    def update(
        self, truth: Integer[np.ndarray, "height width"], predicted: Integer[np.ndarray, "height width"]
    ) -> None:
        """Counts the pixels of one photo; see :func:`confusion_matrix`."""
        check_integers("predicted", predicted)
        used = min(self.num_predicted, max(0, int(predicted.max(initial=-1)) + 1))  # many clusters: a large matrix
        confusion = confusion_matrix(truth, predicted, self.num_classes, used, self.ignore)
        rows, columns = confusion.nonzero()
        entries = rows * (self.num_predicted + 1) + np.where(columns == used, self.num_predicted, columns)
        self._photos.append((entries, confusion[rows, columns]))

    def merge(self, other: "SemanticQuality") -> None:
        """Appends the photos of another one.

        Raises:
            ValueError: it has other numbers of classes.
        """
        if (self.num_classes, self.num_predicted) != (other.num_classes, other.num_predicted):
            raise ValueError(
                f"'other' must have {self.num_classes} and {self.num_predicted} classes, got {other.num_classes} and "
                f"{other.num_predicted}"
            )
        self._photos += other._photos

    def subset(self, photos: Sequence[int]) -> "SemanticQuality":
        """Returns some of the photos, by their places."""
        subset = SemanticQuality(self.num_classes, self.num_predicted, ignore=self.ignore)
        subset._photos = [self._photos[place] for place in photos]
        return subset

    def mapped(self, class_of: Sequence[int | None], *, leave_out: bool = False) -> "SemanticQuality":
        """Replaces clusters by the classes that they stand for.

        Args:
            class_of: class of each cluster; ``None`` where it stands for none.
            leave_out: pixels of clusters that stand for no class do not count, instead of being wrong.
        """
        width = self.num_classes + 1
        column_of = np.array([self.num_classes if place is None else place for place in [*class_of, None]], np.int64)
        counts = np.array([place is not None or not leave_out for place in class_of] + [True])
        mapped = SemanticQuality(self.num_classes, ignore=self.ignore)
        for entries, pixels in self._photos:
            rows, clusters = np.divmod(entries, self.num_predicted + 1)
            kept = counts[clusters]
            merged = np.bincount(rows[kept] * width + column_of[clusters[kept]], pixels[kept])
            filled = merged.nonzero()[0]
            mapped._photos.append((filled, merged[filled].astype(np.int64)))
        return mapped

    def clusters(self) -> list[int]:
        """Lists the clusters that are predicted anywhere, in ascending order."""
        predicted = {n for entries, _ in self._photos for n in np.unique(entries % (self.num_predicted + 1)).tolist()}
        return sorted(predicted - {self.num_predicted})

    def confusion(self) -> Int64[np.ndarray, "classes predicted_and_none"]:
        """Returns the confusion matrix of all photos so far; see :func:`confusion_matrix`."""
        confusion = np.zeros(self.num_classes * (self.num_predicted + 1), np.int64)
        for entries, pixels in self._photos:
            confusion[entries] += pixels
        return confusion.reshape(self.num_classes, self.num_predicted + 1)

    def compute(self) -> SemanticScores:
        """Returns the scores of all photos so far.

        Raises:
            ValueError: the predictions are clusters (they are to be mapped first).
        """
        return semantic_scores(self.confusion())

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """Returns ``pixel accuracy`` and ``mIoU`` with other weights of the photos; NaN where no pixel counts.

        Args:
            weights: how many times each photo counts.
        """
        shape = self.num_classes, self.num_predicted + 1
        ends = np.cumsum([0, *(entries.size for entries, _ in self._photos)])
        entries, pixels = (np.concatenate(side) for side in zip(*self._photos, strict=True))
        photos = csr_array((pixels, entries, ends), shape=(self.num_photos, shape[0] * shape[1]))
        values = np.full((2, len(weights)), np.nan)
        for sample, weight in enumerate(np.asarray(weights, dtype=np.float64)):
            scores = semantic_scores((weight @ photos).round().astype(np.int64).reshape(shape))
            values[:, sample] = [np.nan if s is None else s for s in (scores.pixel_accuracy, scores.mean_iou)]
        return {"pixel accuracy": values[0], "mIoU": values[1]}
