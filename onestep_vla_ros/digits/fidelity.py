# SPDX-License-Identifier: Apache-2.0
"""How much generated pictures of digits are like real ones: their spread, and their distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 32
"""Principal components of the real pictures in which distance is measured."""

Floats = NDArray[np.float64]


def spread(made: Floats, made_labels: Floats, real: Floats, real_labels: Floats) -> float:
    """Return the variance within a class over that of real pictures: 0 is the mean picture.

    Args:
        made: Generated pictures (N, P).
        made_labels: The class that was asked for (N,).
        real: Real pictures (M, P).
        real_labels: Their class (M,).
    """
    return _within(made, made_labels) / _within(real, real_labels)


def frechet(made: Floats, real: Floats) -> float:
    """Return the Fréchet distance ‖μ − μ'‖² + tr(C + C' − 2(CC')^½) of two sets of pictures.

    In the first 32 principal components of the real ones, over their total variance there: 0
    is the same mean and covariance. Source: D. C. Dowson and B. V. Landau, "The Fréchet
    distance between multivariate normal distributions", J. Multivariate Anal. 12 (1982).
    """
    mean = real.mean(axis=0)
    _, _, axes = np.linalg.svd(real - mean, full_matrices=False)
    a, b = (real - mean) @ axes[:COMPONENTS].T, (made - mean) @ axes[:COMPONENTS].T
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(ca @ cb).real, 0.0))
    shift = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    distance = shift + np.trace(ca) + np.trace(cb) - 2.0 * roots.sum()
    return float(max(distance, 0.0) / np.trace(ca))


def _within(pictures: Floats, labels: Floats) -> float:
    parts = [pictures[labels == label] for label in np.unique(labels)]
    total = sum(np.square(p - p.mean(axis=0)).sum() for p in parts)
    return float(total / len(pictures))
