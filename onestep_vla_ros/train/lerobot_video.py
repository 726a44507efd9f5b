# SPDX-License-Identifier: Apache-2.0
"""Camera images of an episode as H.264 mp4 files, and back."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.train.lerobot_layout import FPS, VIDEO_PATH, numbered, part_of, video_key
from onestep_vla_ros.train.lerobot_stats import histogram

CRF = 14
"""Constant quality of x264, 0 lossless to 51; at this one the pictures look untouched."""
KEYFRAME_EVERY = 5
"""Frames from one that stands alone to the next: what a random access has to decode."""
_X264 = f"-c:v libx264 -preset ultrafast -crf {CRF} -g {KEYFRAME_EVERY} -bf 0 -pix_fmt yuv420p"
# One thread and no dates or versions, so the same pictures make the same bytes.
_EXACT = "-threads 1 -fflags +bitexact -flags:v +bitexact -map_metadata -1 -f mp4"
_RAW = "-f rawvideo -pix_fmt yuv420p"


def write_videos(videos: Mapping[Path, NDArray[np.uint8]], rate_hz: int = FPS) -> None:
    """Write images (N, h, w, 3) RGB of each path at `rate_hz`; h and w even, N alike.

    One encoder does all, since starting it costs as much as a second of video. Files are
    written beside their paths first and renamed when all are complete.

    Raises:
        DatasetError: The encoder failed; the paths are as they were.
    """
    parts = {path: part_of(path) for path in videos}
    crops, row = [], 0
    widest = max(images.shape[2] for images in videos.values())
    for k, (path, images) in enumerate(videos.items()):
        _, height, width, _ = images.shape
        if height % 2 or width % 2:
            size = f"{height}x{width}"
            raise DatasetError(f"{path} could not be written", got=size, allowed="even sizes")
        path.parent.mkdir(parents=True, exist_ok=True)
        crops.append(f"[i{k}]crop={width}:{height}:0:{row}[o{k}]")
        row += height
    split = f"[0]split={len(crops)}" + "".join(f"[i{k}]" for k in range(len(crops)))
    command = f"-v error -y {_RAW} -s {widest}x{row} -r {rate_hz} -i - -filter_complex".split()
    command.append(";".join([split, *crops]))
    for k, part in enumerate(parts.values()):
        command += [*f"-map [o{k}] {_X264} {_EXACT}".split(), str(part)]
    fault = _ffmpeg(command, _to_planes(list(videos.values()), row, widest))
    if fault:
        for part in parts.values():
            part.unlink(missing_ok=True)
        names = ", ".join(map(str, parts))
        raise DatasetError(f"{names} could not be written", got=fault, do="free some space")
    for path, part in parts.items():
        os.replace(part, path)


def film(
    folder: Path, number: int, images: Mapping[str, NDArray[np.uint8]], rate_hz: int = FPS
) -> dict[str, NDArray[np.int64]]:
    """Write an attempt's videos, camera to (N, h, w, 3) RGB; return histograms of what is read.

    The videos are read back: what counts is what a reader will see, to the frame.

    Raises:
        DatasetError: A video could not be written, or not whole.
    """
    paths = [folder / numbered(VIDEO_PATH, number, video_key(name)) for name in images]
    write_videos(dict(zip(paths, images.values(), strict=True)), rate_hz)
    pixels = {}
    for (name, stack), path, (shown, _) in zip(
        images.items(), paths, read_videos(paths), strict=True
    ):
        if len(shown) != len(stack):
            raise DatasetError(f"{path} lost frames", got=len(shown), allowed=len(stack))
        pixels[name] = histogram(shown)
    return pixels


def read_videos(paths: Sequence[Path]) -> list[tuple[NDArray[np.uint8], float]]:
    """Return all images of each video, (N, h, w, 3) RGB, and its frames a second.

    The planes come as they are and are turned into RGB here: both ffmpeg's and OpenCV's own
    conversion round down, which darkens every picture by more than one level.

    Raises:
        DatasetError: A file is missing or no video.
    """
    forms = [_form(path) for path in paths]
    with tempfile.TemporaryDirectory(prefix="onestep_vla_") as folder:
        command = ["-v", "error", "-y"]
        for path in paths:
            command += ["-threads", "1", "-i", str(path)]
        raw = [Path(folder) / str(k) for k in range(len(paths))]
        for k, out in enumerate(raw):
            command += f"-map {k}:v {_RAW} -fps_mode passthrough -threads 1".split() + [str(out)]
        fault = _ffmpeg(command, b"")
        if fault:
            raise DatasetError("cannot be read", got=fault, allowed="H.264 mp4")
        found = []
        for (height, width, rate_hz), out in zip(forms, raw, strict=True):
            planes = np.fromfile(out, np.uint8).reshape(-1, height * 3 // 2, width)
            images = np.empty((len(planes), height, width, 3), np.uint8)
            for plane, image in zip(planes, images, strict=True):
                cv2.cvtColor(plane, cv2.COLOR_YUV2RGB_I420, dst=image)
            found.append((images, rate_hz))
    return found


def read_video(path: Path) -> tuple[NDArray[np.uint8], float]:
    """Return the images of one video and its frames a second; see `read_videos`."""
    return read_videos([path])[0]


def _form(path: Path) -> tuple[int, int, float]:
    """Return height, width [pixels] and frames a second."""
    if not path.is_file():
        raise DatasetError("missing")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    properties = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FPS)
    height, width, rate_hz = (float(capture.get(name)) for name in properties)
    capture.release()
    if height < 1 or width < 1:
        raise DatasetError("cannot be read", got="no video", allowed="H.264 mp4")
    return int(height), int(width), rate_hz


def _to_planes(stacks: Sequence[NDArray[np.uint8]], height: int, width: int) -> memoryview:
    """Return images one below the other as yuv420p, a colour sample the mean of four pixels."""
    planes = np.empty((len(stacks[0]), height * 3 // 2, width), np.uint8)
    page = np.zeros((height, width, 3), np.uint8)
    for k, plane in enumerate(planes):
        row = 0
        for stack in stacks:
            page[row : row + stack.shape[1], : stack.shape[2]] = stack[k]
            row += stack.shape[1]
        cv2.cvtColor(page, cv2.COLOR_RGB2YUV_I420, dst=plane)
        small = cv2.resize(page, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        alike = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        plane[height:] = cv2.cvtColor(alike, cv2.COLOR_RGB2YUV_I420)[height:]
    return planes.data


def _ffmpeg(arguments: Sequence[str], given: bytes | memoryview) -> str:
    """Run the ffmpeg that imageio-ffmpeg brings; return what it complained of, or nothing."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False)  # noqa: S603
    if done.returncode == 0:
        return ""
    reason = done.stderr.decode(errors="replace").strip().replace("\n", " ")
    return reason[-200:] or f"exit status {done.returncode}"
