# SPDX-License-Identifier: Apache-2.0
"""Images brought to a square without distortion, bars beside them: how pi0 policies see.

Source: `resize_with_pad` of openpi-client (openpi 15a9616) and of policies/common/vla_utils.py
(lerobot 0.6.1), `PI0ImageProcessor` and `TorchvisionBackend` of transformers 5.23.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from onestep_vla_ros.policy.images import resize_tensor

FITS: tuple[str, ...] = ("smooth", "plain", "corner")
"""What the projects do.

smooth: openpi. Antialiased bilinear in whole numbers, in the middle, black bars (−1).
plain: LeRobot. Bilinear between the four nearest pixels, in the middle, black bars (−1).
corner: transformers. Antialiased bicubic in whole numbers, top left, grey bars (0).
"""


def letterbox(images: torch.Tensor, edge: int, fit: str) -> torch.Tensor:
    """Return the images as (N, 3, edge, edge) float32, pixels in −1..1.

    The longer side becomes `edge`; of an uneven rest the bar below or to the right gets more.

    Args:
        images: (N, 3, h, w) uint8, or float in 0..255.
        edge: Of the square [pixels].
        fit: One of `FITS`. An image of that size already is not touched.
    """
    height, width = images.shape[-2:]
    # The last digit of a quotient can decide about a row: each project's own expression.
    if fit == "corner":
        scale = min(edge / height, edge / width)
        size = (int(height * scale), int(width * scale))
    else:
        ratio = max(width / edge, height / edge)
        size = (int(height / ratio), int(width / ratio))
    if size != (height, width):
        images = _resize(images, size, fit)
    pixels = images.to(torch.float32) / 127.5 - 1.0
    down, right = edge - size[0], edge - size[1]
    if fit == "corner":
        return functional.pad(pixels, (0, right, 0, down), value=0.0)
    bars = (right // 2, right - right // 2, down // 2, down - down // 2)
    return functional.pad(pixels, bars, value=-1.0)


def _resize(images: torch.Tensor, size: tuple[int, int], fit: str) -> torch.Tensor:
    if fit == "smooth":
        return resize_tensor(images, size)
    if fit == "plain":
        return functional.interpolate(images.to(torch.float32), size=size, mode="bilinear")
    return functional.interpolate(images, size=size, mode="bicubic", antialias=True)
