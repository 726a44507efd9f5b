# SPDX-License-Identifier: Apache-2.0
"""The images of a dataset, decoded and resized once and mapped into memory by every process."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tqdm
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.policy.images import resize_uint8
from onestep_vla_ros.train.dataset_meta import FolderMeta
from onestep_vla_ros.train.lerobot_layout import INFO, is_alive, video_key
from onestep_vla_ros.train.lerobot_reader import Clip, Tables, check_stats
from onestep_vla_ros.train.lerobot_stats import histogram, of_pixels
from onestep_vla_ros.train.lerobot_video import read_video

CACHE = ".cache"
CACHE_LAYOUT = 3
"""Changes whenever the cached arrays do."""


class ImageRows:
    """Images of chosen frames, (N, h, w, 3) uint8: a view on memory-mapped files.

    Args:
        parts: The files' arrays, (n, h, w, 3) each.
        rows: Which of all their images, one after the other, these are, (N,).
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, parts: Sequence[NDArray[np.uint8]], rows: NDArray[np.integer[Any]]) -> None:
        self._parts, self._rows = tuple(parts), rows
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (len(rows), *parts[0].shape[1:])

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - as numpy takes it
        """Return the images at an integer, a slice or an array of integers, as a copy."""
        rows = np.atleast_1d(self._rows[index])
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        part = np.searchsorted(self._ends, rows, side="right")
        for k in np.unique(part):
            inside = part == k
            start = self._ends[k] - len(self._parts[k])
            images[inside] = self._parts[k][rows[inside] - start]
        return images[0] if np.ndim(self._rows[index]) == 0 else images


def source_digest(folder: Path) -> str:
    """Return a name for what the files of a dataset are now, by their sizes and times.

    Videos newer than info.json, which is written last, are left out: they belong to episodes
    that are being added, and the dataset does not hold those yet.
    """
    info = folder / INFO
    finished_ns = info.stat().st_mtime_ns if info.is_file() else 0
    digest = hashlib.sha256()
    for below in ("meta", "data", "videos"):
        for path in sorted((folder / below).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                stat = path.stat()
                if below == "videos" and stat.st_mtime_ns > finished_ns:
                    continue
                name = path.relative_to(folder).as_posix()
                digest.update(f"{name} {stat.st_size} {stat.st_mtime_ns};".encode())
    return digest.hexdigest()[:12]


def image_cache(
    folder: Path, source: str, sizes: Mapping[str, tuple[int, int]], stride: int
) -> Path:
    """Return where the images of `folder` lie once decoded, for these sizes and this stride."""
    what = f"{CACHE_LAYOUT} {stride} {sorted((k, tuple(v)) for k, v in sizes.items())}"
    variant = hashlib.sha256(what.encode()).hexdigest()[:8]
    return folder / CACHE / f"images_{source}_{variant}"


def load_images(cache: Path, cameras: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Map the images of a folder into memory, camera by camera."""
    return {
        name: np.load(cache / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in cameras
    }


def decode_images(
    cache: Path,
    meta: FolderMeta,
    tables: Tables,
    sizes: Mapping[str, tuple[int, int]],
    stride: int,
    faults: list[str],
) -> None:
    """Write every `stride`-th frame of each episode to `cache` in one move.

    Caches of what the folder held before are removed. Once there is a fault, also an earlier
    one, nothing is kept.

    Args:
        cache: From `image_cache`.
        meta: The folder's meta.
        tables: The folder's tables.
        sizes: Camera to (height, width) [pixels].
        stride: Which frames, >= 1.
        faults: Gets a line for each video that is missing, damaged or of another form.
    """
    partial = begin(cache)
    native = {camera.name: camera for camera in meta.cameras}
    starts = np.concatenate([[0], np.cumsum(-(-tables.length // stride))])
    row_of = dict(zip(tables.first.tolist(), starts.tolist(), strict=False))
    for name, (height, width) in sizes.items():
        shape = (int(starts[-1]), height, width, 3)
        out = np.lib.format.open_memmap(partial / f"{name}.npy", "w+", np.uint8, shape)
        _decode_camera(meta, native[name], tables, stride, out, row_of, faults)
        out.flush()
    if faults:
        shutil.rmtree(partial)
        return
    source = cache.name.rsplit("_", 1)[0]
    for old in cache.parent.glob("images_*"):
        if not old.name.startswith(source) and old.suffix != ".partial":
            shutil.rmtree(old, ignore_errors=True)
    move(partial, cache)


def begin(cache: Path) -> Path:
    """Return an empty folder to make `cache` in; what killed processes left goes first."""
    for left in cache.parent.glob("*.partial"):
        if not is_alive(int(left.name.split(".")[-3])):
            shutil.rmtree(left, ignore_errors=True)
    partial = cache.with_name(f"{cache.name}.{os.getpid()}.{threading.get_ident()}.partial")
    partial.mkdir(parents=True)
    return partial


def move(partial: Path, cache: Path) -> None:
    """Rename a complete cache into place, unless another process was faster."""
    try:
        partial.rename(cache)
    except OSError:
        shutil.rmtree(partial)
        if not cache.is_dir():
            raise


def _decode_camera(
    meta: FolderMeta,
    camera: CameraSpec,
    tables: Tables,
    stride: int,
    out: NDArray[np.uint8],
    row_of: dict[int, int],
    faults: list[str],
) -> None:
    videos: dict[str, list[Clip]] = {}
    for clip in tables.clips[camera.name]:
        videos.setdefault(clip.path, []).append(clip)

    def decode(clips: list[Clip]) -> NDArray[np.int64] | str:
        path = meta.folder / clips[0].path
        frames = max(c.start + c.count for c in clips)
        images, fault = _read(path, camera, frames, meta.robot.rate_hz)
        if fault:
            return f"{path}: {fault}"
        for clip in clips:
            shown = images[clip.start : clip.start + clip.count : stride]
            row = row_of[clip.first]
            out[row : row + len(shown)] = resize_uint8(shown, out.shape[1:3])
        return histogram(images)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        done = tqdm.tqdm(
            pool.map(decode, videos.values()),
            total=len(videos),
            unit="video",
            desc=f"{meta.folder.name}: {camera.name}",
            disable=None,  # no bar in a log file
        )
        results = list(done)
    counts = [result for result in results if not isinstance(result, str)]
    faults += [result for result in results if isinstance(result, str)]
    if len(counts) == len(results):
        pixels = of_pixels(np.sum(counts, axis=0), int(tables.length.sum()))
        check_stats(meta.folder, {video_key(camera.name): pixels}, faults)


def _read(
    path: Path, camera: CameraSpec, frames: int, wanted_hz: int
) -> tuple[NDArray[np.uint8], str]:
    """Return a video's images, and what is wrong with them or nothing."""
    nothing = np.zeros((0, 1, 1, 3), np.uint8)
    try:
        images, rate_hz = read_video(path)
    except DatasetError as error:
        return nothing, str(error)
    size = f"{images.shape[1]}x{images.shape[2]}"
    if images.shape[1:3] != (camera.height, camera.width):
        return nothing, f"size: got: {size}; allowed: {camera.height}x{camera.width}"
    if len(images) != frames:
        return nothing, f"frames: got: {len(images)}; allowed: {frames}"
    if abs(rate_hz - wanted_hz) > 1e-3:
        return nothing, f"frames a second: got: {rate_hz:g}; allowed: {wanted_hz}"
    return images, ""
