# SPDX-License-Identifier: Apache-2.0
"""A plot of one episode: commanded and measured joints, chunk hand-overs marked."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - the backend comes first

from onestep_vla_ros.core.joints import ARM_DOF, ARMS, JOINT_NAMES  # noqa: E402
from onestep_vla_ros.recording import Recording  # noqa: E402


def write_plot(recording: Recording, path: Path, seed: int, title: str) -> None:
    """Write a picture of all 14 joints in the episode of `seed`, one arm a column."""
    start_s, end_s = recording.span(seed)
    figure, axes = plt.subplots(ARM_DOF, len(ARMS), figsize=(13, 15), sharex=True)
    measured_t, measured = recording.measured(start_s, end_s)
    hand_overs = recording.hand_overs(start_s, end_s) - start_s
    for column, arm in enumerate(ARMS):
        commanded_t, commanded = recording.commanded(arm, start_s, end_s)
        for row in range(ARM_DOF):
            axis, joint = axes[row, column], column * ARM_DOF + row
            for time_s in hand_overs:
                axis.axvline(time_s, color="0.85", linewidth=0.8, zorder=0)
            if len(commanded_t):
                axis.plot(commanded_t - start_s, commanded[:, row], "C0", label="commanded")
            if len(measured_t):
                axis.plot(
                    measured_t - start_s, measured[:, joint], "C1", linewidth=1, label="measured"
                )
            unit = "0..1" if row == ARM_DOF - 1 else "rad"
            axis.set_ylabel(f"{JOINT_NAMES[joint]}\n[{unit}]", fontsize=8)
        axes[-1, column].set_xlabel("simulated time since enable [s]")
    axes[0, 0].legend(loc="upper right", fontsize=8)
    figure.suptitle(
        f"{title}\ngrey: a new chunk takes over ({len(hand_overs)} times)", fontsize=11
    )
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    figure.savefig(path, dpi=110)
    plt.close(figure)
