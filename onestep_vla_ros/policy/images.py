# SPDX-License-Identifier: Apache-2.0
"""Image resizing on uint8, the same for demonstrations, training and inference."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ObservationError


def resize_tensor(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize RGB images with an antialiased bilinear filter, staying in uint8.

    Args:
        images: (N, 3, h, w) uint8; channels-last memory is the fast case.
        size: (height, width) [pixels].

    Returns:
        (N, 3, height, width) uint8, within 1/255 of PIL's BILINEAR; the input itself
        when it already has that size.
    """
    if images.shape[-2:] == torch.Size(size):
        return images
    return functional.interpolate(
        images, size=size, mode="bilinear", antialias=True, align_corners=False
    )


def resize_uint8(
    images: NDArray[np.uint8] | torch.Tensor, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Resize a stack of RGB images; every reader of images in this project calls this.

    Args:
        images: (N, h, w, 3) uint8 array or tensor.
        size: (height, width) [pixels].

    Returns:
        (N, height, width, 3) uint8 array, contiguous.

    Raises:
        ObservationError: Not uint8 of shape (N, h, w, 3).
    """
    shape = tuple(images.shape)
    if str(images.dtype).removeprefix("torch.") != "uint8" or len(shape) != 4 or shape[3] != 3:
        raise ObservationError(
            "images to resize have the wrong form",
            got=f"{images.dtype} {shape}",
            allowed="uint8 (N, height, width, 3), RGB",
        )
    if isinstance(images, torch.Tensor):
        tensor = images
    else:  # a read-only or mirrored view is copied once, which torch asks for
        tensor = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    # A permuted view of (N, h, w, 3) is exactly channels-last memory: no copy is made.
    resized = resize_tensor(tensor.permute(0, 3, 1, 2), size)
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1).cpu().numpy())
