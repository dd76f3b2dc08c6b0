r"""Cuts a token graph in two by the second smallest eigenvector of :math:`(D - A) y = \lambda D y`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.ndimage import label
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

Matrix = NDArray[np.float64]
_SHIFT = 1e-4  # keeps the factorised matrix positive definite; any small number gives the same eigenvector
Mask = NDArray[np.bool_]
_APART = 1e-5  # affinity of tokens that are not alike: it keeps the graph in one piece
_ROUNDING = 1e-6  # share of the largest value; solvers agree to 1e-8 and better


def by_eigh(affinity: Matrix) -> Matrix:
    """Solves as the authors do: LAPACK's dense generalised solver, for two eigenvectors."""
    degree = affinity.sum(axis=1)
    vectors: Matrix = eigh(np.diag(degree) - affinity, np.diag(degree), subset_by_index=[1, 1])[1]
    return vectors[:, 0]


def by_lanczos(affinity: Matrix) -> Matrix:
    r"""Finds the largest eigenvector of :math:`D^{-1/2} A D^{-1/2}` but for the constant one, by products alone."""
    root, first = _roots(affinity)
    multiply = _without(first, lambda z: affinity @ (z / root) / root)
    return _largest(multiply, root)


def by_inverse(affinity: Matrix) -> Matrix:
    r"""Finds the same by Lanczos on the inverse of :math:`(1 + s) I - D^{-1/2} A D^{-1/2}`.

    One Cholesky factorisation, then a handful of steps, however close together the eigenvalues are.
    """
    root, first = _roots(affinity)
    shifted = affinity / -np.outer(root, root)
    shifted[np.diag_indices_from(shifted)] += 1 + _SHIFT
    factor = cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
    multiply = _without(first, lambda z: cho_solve(factor, z, check_finite=False))
    return _largest(multiply, root)


SOLVERS: dict[str, Callable[[Matrix], Matrix]] = {"eigh": by_eigh, "lanczos": by_lanczos, "inverse": by_inverse}


def _roots(affinity: Matrix) -> tuple[Matrix, Matrix]:
    """Returns the roots of the degrees, and the unit eigenvector that every graph has."""
    root: Matrix = np.sqrt(affinity.sum(axis=1))
    return root, root / np.linalg.norm(root)


def _without(first: Matrix, multiply: Callable[[Matrix], Matrix]) -> Callable[[Matrix], Matrix]:
    """Restricts ``multiply`` to vectors orthogonal to ``first``."""

    def orthogonal(z: Matrix) -> Matrix:
        return z - first * (first @ z)

    return lambda z: orthogonal(multiply(orthogonal(z.ravel())))


def _largest(multiply: Callable[[Matrix], Matrix], root: Matrix) -> Matrix:
    start = np.random.default_rng(0).standard_normal(root.size)  # of its own, so that calls repeat
    operator = LinearOperator((root.size, root.size), matvec=multiply, dtype=np.float64)
    vectors: Matrix = eigsh(operator, k=1, which="LA", v0=start, tol=1e-8)[1]
    return vectors[:, 0] / root


def alike(tokens: Tensor, tau: float) -> Mask:
    """Returns which pairs of unit tokens have a cosine above ``tau``, ``[N, N]``."""
    pairs: Mask = (tokens @ tokens.T > tau).numpy()
    return pairs


def cut_vector(pairs: Mask, solver: str) -> Matrix:
    """Returns the eigenvector ``[N]`` that cuts the graph with affinity 1 on the pairs and almost 0 elsewhere."""
    return SOLVERS[solver](np.where(pairs, 1.0, _APART))


def seed_of(values: Matrix) -> int:
    """Returns the token of the largest value; the first of those that are equal but for rounding.

    Tokens that are alike to the same ones have equal values, so that otherwise a solver's last bit, or the number of
    its threads, would decide.
    """
    largest = values.max()
    return int((values >= largest - _ROUNDING * abs(largest)).argmax())


def part_around(mask: Mask, seed: int) -> Mask:
    """Returns the connected part (4 neighbours) of a mask ``[rows, columns]`` that contains the token ``seed``."""
    parts, _ = label(mask)
    found: Mask = parts == parts.flat[seed]
    return found
