# SPDX-License-Identifier: Apache-2.0
"""Visual meshes, decimated once by vertex clustering and cached on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError

CACHE_VERSION = 1
_STL_TRIANGLE = np.dtype(
    [("normal", "<f4", (3,)), ("vertices", "<f4", (3, 3)), ("attribute", "<u2")]
)


def cache_dir() -> Path:
    """Return the folder for derived files: $XDG_CACHE_HOME (default ~/.cache)/onestep_vla_ros."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "onestep_vla_ros"


def read_stl(path: Path) -> NDArray[np.float32]:
    """Return the triangles of a binary STL file, (F, 3 corners, 3) [m].

    Raises:
        ConfigError: The file is not a binary STL of the length its header announces.
    """
    data = path.read_bytes()
    count = int.from_bytes(data[80:84], "little")
    if len(data) != 84 + 50 * count:
        raise ConfigError(
            f"mesh {path.name} is not a binary STL",
            got=f"{len(data)} bytes for {count} triangles",
            do="reinstall dreamscale-i2rt",
        )
    return np.frombuffer(data, _STL_TRIANGLE, count, 84)["vertices"].copy()


def cluster(
    triangles: NDArray[np.float32], cell_m: float
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Merge all vertices that share a grid cell into their mean.

    Args:
        triangles: Corners, (F, 3, 3) [m].
        cell_m: Edge of the grid cell [m]; details smaller than this disappear.

    Returns:
        Vertices (V, 3) [m] and the triangles that kept three different corners, (F', 3).
    """
    points = triangles.reshape(-1, 3).astype(np.float64)
    keys = np.floor((points - points.min(axis=0)) / cell_m).astype(np.int64)
    _, label = np.unique(keys, axis=0, return_inverse=True)
    label = label.reshape(-1)
    count = np.bincount(label)
    vertices = np.stack([np.bincount(label, points[:, i]) / count for i in range(3)], axis=1)
    faces = label.reshape(-1, 3)
    distinct = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    faces = faces[distinct]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    faces = faces[np.sort(first)]
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used].astype(np.float32), faces.reshape(-1, 3).astype(np.int32)


def decimated(path: Path, cell_m: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return vertices (V, 3) and faces (F, 3) of an STL file, from the cache where possible.

    The cache key is the hash of the file and of the settings, and a file appears there
    only whole (written beside, then renamed), so any number of processes may share it.
    """
    digest = hashlib.sha256(path.read_bytes())
    digest.update(f"cluster:{cell_m}:{CACHE_VERSION}".encode())
    cached = cache_dir() / "meshes" / f"{path.stem}-{digest.hexdigest()[:24]}.npz"
    if cached.is_file():
        try:
            with np.load(cached, allow_pickle=False) as data:
                return data["vertices"], data["faces"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            cached.unlink(missing_ok=True)  # damaged from outside: make it again
    vertices, faces = cluster(read_stl(path), cell_m)
    _write(cached, vertices, faces)
    return vertices, faces


def _write(path: Path, vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            np.savez(part, vertices=vertices, faces=faces)
        os.replace(part.name, path)
    except OSError:
        return  # a read-only home costs time at every start, nothing else
