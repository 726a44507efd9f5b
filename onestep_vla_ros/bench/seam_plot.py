# SPDX-License-Identifier: Apache-2.0
"""A picture of a few hand-overs: position, velocity and acceleration of one joint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - the backend comes first
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from onestep_vla_ros.bench.seam_stream import Stream  # noqa: E402

_SPAN_S = 1.6
_AT_HAND_OVER = 12
_STYLES = {"hard swap": "0.65", "linear blend": "C1", "ours, splice": "C0"}


def write_seam_plot(
    path: Path, stream: Stream, commands: Mapping[str, NDArray[np.float64]], joint: int = 1
) -> None:
    """Write what `joint` was commanded by each executor, (N, 14) each, around some hand-overs."""
    tc = float(stream.ticks_s[1] - stream.ticks_s[0])
    first = round(stream.hand_overs[_AT_HAND_OVER].arrival_s / tc) - 20
    span = slice(first, first + round(_SPAN_S / tc))
    t = stream.ticks_s[span] - stream.ticks_s[first]
    figure, axes = plt.subplots(3, 1, figsize=(9, 7.5), sharex=True)
    for hand_over in stream.hand_overs:
        if 0.0 <= hand_over.arrival_s - stream.ticks_s[first] <= _SPAN_S:
            for axis in axes:
                axis.axvline(hand_over.arrival_s - stream.ticks_s[first], color="0.85", zorder=0)
    axes[0].plot(t, stream.wish(stream.ticks_s[span] + tc)[:, joint], "k:", label="wish", lw=1)
    for name, style in _STYLES.items():
        q = commands[name][:, joint]
        rates = (q, np.gradient(q, tc), np.gradient(np.gradient(q, tc), tc))
        for axis, rate in zip(axes, rates, strict=True):
            axis.plot(t, rate[span], color=style, label=name, lw=1.4)
    for axis, label, limit in zip(
        axes[1:], ("velocity", "acceleration"), (2.0, 10.0), strict=True
    ):
        axis.axhspan(-limit, limit, color="C2", alpha=0.08, zorder=0)
        axis.set_ylabel(f"{label} [rad/s{'²' if limit > 2 else ''}]")
    axes[2].set_ylim(-60, 60)
    axes[0].set_ylabel("position [rad]")
    axes[2].set_xlabel("time [s]; grey: a chunk takes over, 0 to 400 ms late; green: the limits")
    axes[0].legend(fontsize=8, ncols=4)
    figure.suptitle("The same chunks, handed over in three ways (one joint)", fontsize=11)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
