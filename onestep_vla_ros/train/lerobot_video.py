# SPDX-License-Identifier: Apache-2.0
"""Camera images of an episode as an H.264 mp4, and back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.train.lerobot_layout import FPS, part_of

CRF = 14
"""Constant quality of x264, 0 lossless to 51; at this one the pictures look untouched."""
KEYFRAME_EVERY = 5
"""Frames from one that stands alone to the next: what a random access has to decode."""
_X264 = f"-c:v libx264 -preset veryfast -crf {CRF} -g {KEYFRAME_EVERY} -bf 0 -pix_fmt yuv420p"
# One thread and no dates or versions, so the same pictures make the same bytes.
_EXACT = "-threads 1 -fflags +bitexact -flags:v +bitexact -map_metadata -1 -f mp4"
_RAW = "-f rawvideo -pix_fmt yuv420p -fps_mode passthrough -threads 1"
_SCALER = "-sws_flags bicubic+accurate_rnd+full_chroma_int+bitexact"


def write_video(path: Path, images: NDArray[np.uint8]) -> None:
    """Write images (N, h, w, 3) RGB at `FPS`, beside `path` first and renamed when complete.

    Raises:
        DatasetError: The encoder failed; `path` is as it was.
    """
    _, height, width, _ = images.shape
    raw = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {FPS} -i -"
    part = part_of(path).with_suffix(f".{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    options = f"-v error -y {raw} {_SCALER} {_X264} {_EXACT}".split()
    done = subprocess.run(  # noqa: S603 - the encoder that imageio-ffmpeg brings
        [ffmpeg, *options, str(part)],
        input=np.ascontiguousarray(images).data,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        reason = done.stderr.decode(errors="replace").strip().replace("\n", " ")
        raise DatasetError(f"{path} could not be written", got=reason, do="free some space")
    os.replace(part, path)


def read_video(path: Path) -> tuple[NDArray[np.uint8], float]:
    """Return all images of a video, (N, h, w, 3) RGB, and its frames a second.

    Raises:
        DatasetError: The file is missing or no video.
    """
    if not path.is_file():
        raise DatasetError("missing")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    properties = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FPS)
    height, width, rate_hz = (float(capture.get(name)) for name in properties)
    capture.release()
    # The planes come as they are and are turned into RGB here: both ffmpeg's and OpenCV's own
    # conversion round down, which darkens every picture by more than one level.
    shape = (-1, int(height) * 3 // 2, int(width))
    options = f"-v error -threads 1 -i {{}} {_RAW} -".split()
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *(o.format(path) for o in options)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - as above
    if done.returncode != 0 or not done.stdout or height * width == 0:
        reason = done.stderr.decode(errors="replace").strip().replace("\n", " ")[-200:]
        raise DatasetError("cannot be read", got=reason or "no frame", allowed="H.264 mp4")
    planes = np.frombuffer(done.stdout, np.uint8).reshape(shape)
    return np.stack([cv2.cvtColor(p, cv2.COLOR_YUV2RGB_I420) for p in planes]), rate_hz
