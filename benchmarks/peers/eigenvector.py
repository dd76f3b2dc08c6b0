r"""The eigenvector of a normalised cut: second smallest of :math:`(D - A) y = \lambda D y`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.sparse.linalg import LinearOperator, eigsh

Matrix = NDArray[np.float64]
_SHIFT = 1e-4  # keeps the factorised matrix positive definite; any small number gives the same eigenvector


def by_eigh(affinity: Matrix) -> Matrix:
    """The authors' solver: LAPACK's dense generalised one, for two eigenvectors."""
    degree = affinity.sum(axis=1)
    vectors: Matrix = eigh(np.diag(degree) - affinity, np.diag(degree), subset_by_index=[1, 1])[1]
    return vectors[:, 0]


def by_lanczos(affinity: Matrix) -> Matrix:
    r"""The largest eigenvector of :math:`D^{-1/2} A D^{-1/2}` once the constant one is taken out, by products alone."""
    root, first = _roots(affinity)
    multiply = _without(first, lambda z: affinity @ (z / root) / root)
    return _largest(multiply, root)


def by_inverse(affinity: Matrix) -> Matrix:
    r"""The same by Lanczos on the inverse of :math:`(1 + s) I - D^{-1/2} A D^{-1/2}`: one Cholesky factorisation, then
    a handful of steps, however close together the eigenvalues are.
    """
    root, first = _roots(affinity)
    shifted = affinity / -np.outer(root, root)
    shifted[np.diag_indices_from(shifted)] += 1 + _SHIFT
    factor = cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
    multiply = _without(first, lambda z: cho_solve(factor, z, check_finite=False))
    return _largest(multiply, root)


SOLVERS: dict[str, Callable[[Matrix], Matrix]] = {"eigh": by_eigh, "lanczos": by_lanczos, "inverse": by_inverse}


def _roots(affinity: Matrix) -> tuple[Matrix, Matrix]:
    """Roots of the degrees, and the unit eigenvector that every graph has."""
    root: Matrix = np.sqrt(affinity.sum(axis=1))
    return root, root / np.linalg.norm(root)


def _without(first: Matrix, multiply: Callable[[Matrix], Matrix]) -> Callable[[Matrix], Matrix]:
    """``multiply`` on what is orthogonal to ``first``."""

    def orthogonal(z: Matrix) -> Matrix:
        return z - first * (first @ z)

    return lambda z: orthogonal(multiply(orthogonal(z.ravel())))


def _largest(multiply: Callable[[Matrix], Matrix], root: Matrix) -> Matrix:
    start = np.random.default_rng(0).standard_normal(root.size)  # of its own, so that calls repeat
    operator = LinearOperator((root.size, root.size), matvec=multiply, dtype=np.float64)
    vectors: Matrix = eigsh(operator, k=1, which="LA", v0=start, tol=1e-8)[1]
    return vectors[:, 0] / root
