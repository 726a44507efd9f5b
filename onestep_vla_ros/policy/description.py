# SPDX-License-Identifier: Apache-2.0
"""A checkpoint in words: what robot it needs, how it decodes, what one step costs it."""

from __future__ import annotations

from typing import Any

from onestep_vla_ros.policy.checkpoint import Checkpoint
from onestep_vla_ros.policy.decoder import AUTO_STEPS, Decoding


def describe(checkpoint: Checkpoint) -> str:
    """Return contract, size and the held-out K table as text for people."""
    contract, decoding = checkpoint.contract, checkpoint.decoding
    config = checkpoint.model.config
    cameras = ", ".join(f"{c.name} {c.height}x{c.width}" for c in contract.cameras)
    lines = [
        f"encoder {config.kind}, {checkpoint.model.parameter_count / 1e6:.2f} M weights, "
        f"objective {config.head.objective}",
        f"decoding steps={decoding.steps} noise={decoding.noise}",
        _auto(decoding),
        f"chunk {contract.horizon} waypoints of {contract.period_s} s, "
        f"{contract.embodiment.name}, {len(contract.joint_names)} actions, "
        f"state {contract.state}",
        f"cameras {cameras}",
        *(f"instruction {text!r}" for text in contract.instruction_examples[:6]),
        *_table(held_out_rows(checkpoint), "arm rad" if contract.embodiment.relative else "arm"),
    ]
    return "\n".join(lines)


def _auto(decoding: Decoding) -> str:
    found = decoding.calibration
    if found is None:
        return (
            "steps auto is not offered: calibrate it with check FOLDER --calibrate DEMONSTRATIONS"
        )
    return (
        f"steps auto takes {AUTO_STEPS} above a gap of {found.threshold:.4g}: "
        f"{found.quantile:.0%} of {found.frames} frames are below, half below {found.median:.4g}"
    )


def held_out_rows(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Return the rows of the K table that a checkpoint carries, [] without one."""
    held_out: object = checkpoint.held_out
    return held_out.get("rows", []) if isinstance(held_out, dict) else []


def _table(rows: list[dict[str, Any]], arm: str) -> list[str]:
    if not rows:
        return ["no held-out table in this checkpoint"]
    lines = ["held-out error by decoder steps", f"  K  noise    {arm:7s}  gripper  noise leak"]
    for row in rows:
        lines.append(
            f"{row['steps']:3d}  {row['noise']:7s}  {row['arm_rad']:.4f}   {row['gripper']:.4f}"
            f"   {row['noise_leak']:.5f}"
        )
    return lines
