# SPDX-License-Identifier: Apache-2.0
"""The statistics LeRobot keeps of every feature, exact: of numbers, and of pixels by value."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
_BLOCK = 64  # images a pass: calcHist counts in float32, exact below 2^24 pixels

Stats = dict[str, NDArray[np.float64]]
"""Name in `NAMES` to one value a dimension: (D,), or (3, 1, 1) for images; count is (1,)."""


def of_numbers(values: NDArray[np.generic]) -> Stats:
    """Return the statistics of a column, (N,) or (N, D), over its N rows."""
    table = values.reshape(len(values), -1).astype(np.float64)
    quantiles = np.quantile(table, list(QUANTILES.values()), axis=0)
    return {
        "min": table.min(axis=0),
        "max": table.max(axis=0),
        "mean": table.mean(axis=0),
        "std": table.std(axis=0),
        "count": np.array([len(table)], dtype=np.float64),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


def histogram(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how often each value occurs in images (N, h, w, 3), by channel: (3, 256)."""
    counts = np.zeros((3, 256), np.int64)
    for first in range(0, len(images), _BLOCK):
        block = images[first : first + _BLOCK]
        flat = np.ascontiguousarray(block).reshape(-1, block.shape[2], 3)
        for channel in range(3):
            found = cv2.calcHist([flat], [channel], None, [256], [0, 256])
            counts[channel] += found.ravel().astype(np.int64)
    return counts


def of_pixels(counts: NDArray[np.int64], images: int) -> Stats:
    """Return the statistics of `images` images, 0..1 and (3, 1, 1) each, from their histogram."""
    value = np.arange(256) / 255.0
    total = counts.sum(axis=1)
    mean = counts @ value / total
    spread = (counts * np.square(value - mean[:, None])).sum(axis=1) / total
    is_there = counts > 0
    low, high = is_there.argmax(axis=1), 255 - is_there[:, ::-1].argmax(axis=1)
    rows = {"min": value[low], "max": value[high], "mean": mean, "std": np.sqrt(spread)}
    rows |= {name: _quantile(counts, share) for name, share in QUANTILES.items()}
    stats = {name: row.reshape(3, 1, 1) for name, row in rows.items()}
    return stats | {"count": np.array([images], dtype=np.float64)}


def _quantile(counts: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Return np.quantile(…, share) of each row's values, 0..1, without listing them."""
    found = []
    for row in counts:
        up_to = np.cumsum(row)
        place = (up_to[-1] - 1) * share
        low, high = np.searchsorted(up_to, [np.floor(place), np.ceil(place)], side="right")
        found.append(low + (high - low) * (place - np.floor(place)))
    return np.array(found) / 255.0
