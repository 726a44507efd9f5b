# SPDX-License-Identifier: Apache-2.0
"""A recording as a film: the cameras side by side under the instruction and the mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    return encode(_pictures(recording, height_px), path, rate_hz)


def encode(pictures: Iterable[NDArray[np.uint8]], path: Path, rate_hz: float) -> int:
    """Write pictures (H, W, 3) uint8 RGB of one even size as an H.264 mp4; return how many."""
    writer, count = None, 0
    try:
        for picture in pictures:
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                writer = imageio_ffmpeg.write_frames(
                    str(path), size, fps=rate_hz, codec="libx264", quality=7, macro_block_size=2
                )
                writer.send(None)
            writer.send(picture.tobytes())
            count += 1
    finally:
        if writer is not None:
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
        write_text(frame, CAMERAS[i], (i * height_px + 10, _BAR_PX + height_px - 12), 0.5, _WHITE)
    write_text(frame, moment.instruction, (14, 30), 0.85, _WHITE)
    line = f"seed {moment.seed}   {moment.episode_time_s:5.2f} s"
    write_text(frame, line, (14, 60), 0.6, _GREY)
    write_text(frame, moment.mode, (height_px, 60), 0.6, _COLOURS.get(moment.mode, _GREY))
    if moment.is_done:
        write_text(frame, "done", (height_px + 110, 60), 0.6, _GREEN)
    return frame


def _pictures(recording: Recording, height_px: int) -> Iterator[NDArray[np.uint8]]:
    for moment in recording.moments():
        yield draw(moment, height_px)


def write_text(
    frame: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
) -> None:
    """Burn in text; characters outside ASCII, which cv2 cannot draw, become "?"."""
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(frame, plain, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
