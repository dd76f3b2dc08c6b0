"""TokenCut, MaskCut and the merge of Divide-and-Conquer written out, in float64, without regard to time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def token_cut(tokens: np.ndarray, grid: tuple[int, int], tau: float = 0.2) -> list[Mask]:
    vector = second_eigenvector(affinity(tokens, tau))
    side = vector > vector.mean()
    seed = int(np.abs(vector).argmax())
    return [flood(side if side[seed] else ~side, seed, grid)]


def mask_cut(tokens: np.ndarray, grid: tuple[int, int], tau: float = 0.15) -> list[Mask]:
    found: list[Mask] = []
    for _ in range(3):
        painted = np.any([mask.ravel() for mask in found], axis=0) if found else np.zeros(len(tokens), dtype=bool)
        vector = second_eigenvector(affinity(tokens * ~painted[:, None], tau))
        vector = vector * np.sign(vector[np.abs(vector).argmax()])
        side = vector > vector.mean()
        if side.reshape(grid)[[0, 0, -1, -1], [0, -1, 0, -1]].sum() >= 3:
            side, vector = ~side, -vector
        mask = flood(side, int(vector.argmax()), grid)
        if found and ((mask & found[-1]).sum() > 0.5 * (mask | found[-1]).sum() or mask.mean() <= 0.01):
            break
        found.append(mask)
    return found


def divide_and_conquer(tokens: np.ndarray, grid: tuple[int, int], thresholds: Sequence[float]) -> list[Mask]:
    label = np.arange(len(tokens))
    found: list[Mask] = []
    for threshold in thresholds:
        while True:
            totals = {key: tokens[label == key].sum(0) for key in np.unique(label)}
            cosine = {
                (one, other): totals[one] @ totals[other] / np.linalg.norm(totals[one]) / np.linalg.norm(totals[other])
                for one, other in touching(label.reshape(grid))
            }
            if not cosine or max(cosine.values()) < threshold:
                break
            one, other = max(cosine, key=lambda pair: cosine[pair])
            label[label == other] = one
        for key in np.unique(label):
            mask = (label == key).reshape(grid)
            if mask.sum() >= 4 and all((mask & one).sum() <= 0.9 * (mask | one).sum() for one in found):
                found.append(mask)
    return found


def affinity(tokens: np.ndarray, tau: float) -> np.ndarray:
    norm = np.maximum(np.linalg.norm(tokens, axis=1), 1e-12)
    return np.where(tokens @ tokens.T / np.outer(norm, norm) > tau, 1, 1e-5)


def second_eigenvector(weights: np.ndarray) -> np.ndarray:
    """By the normalised Laplacian and all of its eigenvectors."""
    root = np.sqrt(weights.sum(1))
    _, vectors = np.linalg.eigh(np.eye(len(root)) - weights / np.outer(root, root))
    second: np.ndarray = vectors[:, 1] / root
    return second


def flood(side: Mask, seed: int, grid: tuple[int, int]) -> Mask:
    """The part of a side that is joined with a token."""
    side = side.reshape(grid)
    mask = np.zeros_like(side)
    open_ends = [divmod(seed, grid[1])]
    while open_ends:
        row, column = open_ends.pop()
        inside = 0 <= row < grid[0] and 0 <= column < grid[1]
        if inside and side[row, column] and not mask[row, column]:
            mask[row, column] = True
            open_ends += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return mask


def touching(label: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of labels with a common side."""
    pairs = [*zip(label[1:].flat, label[:-1].flat, strict=True)]
    pairs += zip(label[:, 1:].flat, label[:, :-1].flat, strict=True)
    return {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
