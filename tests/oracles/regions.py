"""Random regions, agreement of label maps by the letter of its definitions, and BSDS500 files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat
from scipy.stats import entropy


def random_regions(rng: np.random.Generator, number: int, size: tuple[int, int]) -> np.ndarray:
    """Regions around random points, as people draw them, numbered from 1 without gaps."""
    points = rng.uniform(0, 1, (number, 2)) * size
    y, x = np.mgrid[: size[0], : size[1]]
    nearest = ((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2).argmin(axis=-1)
    regions: np.ndarray = np.unique(nearest, return_inverse=True)[1].reshape(size) + 1
    return regions


def literal_overlaps(labels: np.ndarray, truth: np.ndarray) -> dict[int, float]:
    """Best IoU of each true region."""
    best = {}
    for region in np.unique(truth):
        inside = truth == region
        best[int(region)] = max(
            float((inside & (labels == other)).sum() / (inside | (labels == other)).sum())
            for other in np.unique(labels)
        )
    return best


def literal_covering(labels: np.ndarray, truth: np.ndarray) -> float:
    return sum(float((truth == region).sum()) * best for region, best in literal_overlaps(labels, truth).items()) / (
        truth.size
    )


def literal_rand_index(labels: np.ndarray, truth: np.ndarray) -> float:
    one, other = labels.ravel().tolist(), truth.ravel().tolist()
    pairs = [(i, j) for i in range(len(one)) for j in range(i)]
    return sum((one[i] == one[j]) == (other[i] == other[j]) for i, j in pairs) / len(pairs)


def literal_variation_of_information(labels: np.ndarray, truth: np.ndarray) -> float:
    """H(labels | truth) + H(truth | labels), region by region, in bits."""
    total = 0.0
    for one, other in ((labels, truth), (truth, labels)):
        for region in np.unique(other):
            counts = np.unique(one[other == region], return_counts=True)[1]
            total += float((other == region).mean() * entropy(counts, base=2))
    return total


def write_annotators(file: Path, maps: Sequence[np.ndarray], boundaries: Sequence[np.ndarray] | None = None) -> None:
    """A ground-truth file as BSDS500's are, or one without boundaries."""
    cells = np.empty((1, len(maps)), dtype=object)
    for number, labels in enumerate(maps):
        cells[0, number] = {"Segmentation": labels.astype(np.uint16)}
        if boundaries is not None:
            cells[0, number]["Boundaries"] = boundaries[number].astype(np.uint8)
    savemat(file, {"groundTruth": cells})


def write_levels(
    file: Path, thresholds: Sequence[float], instance: np.ndarray, semantic: np.ndarray | None = None
) -> None:
    """Label maps as an output folder of one run has them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    semantic = instance if semantic is None else semantic
    np.savez_compressed(
        file,
        thresholds=np.array(thresholds),
        instance=instance.astype(np.int32),
        semantic=semantic.astype(np.int32),
    )
