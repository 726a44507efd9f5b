# SPDX-License-Identifier: Apache-2.0
"""The recorder's writer on a disk of one's choice, fed by hand: for the row of the full disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.nodes.messages import rgb_to_image
from onestep_vla_ros.nodes.recorder_node import CAMERAS, Recorder

_DOMAIN = 231
"""No graph of ours lives in this domain: the trial hears nobody."""


class RecordingTrial:
    """Hands pictures to a recorder until its disk fails.

    Attributes:
        error: What ended it, "" while it lives; a recorder process ends there.
        taken: Pictures it took before.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.error = ""
        self.taken = 0

    def record(self, now_s: float) -> None:
        """Hand it a picture taken at `now_s` [s], unless it is dead."""
        if self.error:
            return
        pixels = np.random.default_rng(self.taken).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        try:
            self._recorder._on_image(CAMERAS[0], rgb_to_image(pixels, now_s, "top"))  # noqa: SLF001
        except OSError as error:
            self.error = str(error)
        else:
            self.taken += 1


@contextmanager
def recording_to(folder: Path) -> Iterator[RecordingTrial]:
    """Give a recorder that writes to `folder`, in a ROS context of its own.

    Raises:
        ConfigError: The folder cannot be opened for writing.
    """
    context = Context()
    context.init(domain_id=_DOMAIN)
    values = {**read_parameters("recorder.yaml"), "folder": str(folder), "video_rate_hz": 120.0}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = Node("recorder", context=context, parameter_overrides=overrides)
    try:
        recorder = Recorder(node)
        yield RecordingTrial(recorder)
        with suppress(OSError):  # what was still in its buffer does not fit either
            recorder.close()
    finally:
        node.destroy_node()
        context.try_shutdown()
