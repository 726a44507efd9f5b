# SPDX-License-Identifier: Apache-2.0
"""A recording as a film: the cameras side by side under the instruction and the mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.recording import CAMERAS, Moment, Recording

_BAR_PX = 72
_WHITE, _GREY, _GREEN = (245, 245, 245), (165, 165, 165), (120, 230, 120)
_COLOURS = {"RUN": _GREEN, "FAULT": (255, 90, 90), "STOP": (255, 180, 80)}


def write_film(
    recording: Recording, path: Path, height_px: int = 384, rate_hz: float = 25.0
) -> int:
    """Write an H.264 mp4 that plays at the speed of the simulation; return its frames.

    Args:
        recording: From recorder_node.
        path: File to write.
        height_px: Edge of each camera's square; a multiple of 2.
        rate_hz: The recorded pictures a simulated second.
    """
    size = (len(CAMERAS) * height_px, height_px + _BAR_PX)
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=rate_hz, codec="libx264", quality=7, macro_block_size=2
    )
    writer.send(None)
    count = 0
    try:
        for picture in _pictures(recording, height_px):
            writer.send(picture.tobytes())
            count += 1
    finally:
        writer.close()
    return count


def draw(moment: Moment, height_px: int) -> NDArray[np.uint8]:
    """Return one frame, (height_px + bar, 3 * height_px, 3) uint8 RGB."""
    frame = np.zeros((height_px + _BAR_PX, len(CAMERAS) * height_px, 3), np.uint8)
    for i, image in enumerate(moment.images):
        edge = (height_px, height_px)
        frame[_BAR_PX:, i * height_px : (i + 1) * height_px] = cv2.resize(
            image, edge, interpolation=cv2.INTER_CUBIC
        )
        _write(frame, CAMERAS[i], (i * height_px + 10, _BAR_PX + height_px - 12), 0.5, _WHITE)
    _write(frame, moment.instruction, (14, 30), 0.85, _WHITE)
    line = f"seed {moment.seed}   {moment.episode_time_s:5.2f} s"
    _write(frame, line, (14, 60), 0.6, _GREY)
    _write(frame, moment.mode, (height_px, 60), 0.6, _COLOURS.get(moment.mode, _GREY))
    if moment.is_done:
        _write(frame, "done", (height_px + 110, 60), 0.6, _GREEN)
    return frame


def _pictures(recording: Recording, height_px: int) -> Iterator[NDArray[np.uint8]]:
    for moment in recording.moments():
        yield draw(moment, height_px)


def _write(
    frame: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
) -> None:
    """Burn in text; characters outside ASCII, which cv2 cannot draw, become "?"."""
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(frame, plain, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
