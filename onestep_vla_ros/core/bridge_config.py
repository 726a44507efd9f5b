# SPDX-License-Identifier: Apache-2.0
"""The bridge's parameter schema: limits, deadlines, hand-over and what the wire looks like.

Values live in config/*.yaml only. Lists of 14 follow `joints.JOINT_NAMES`; their unit is rad
(and its derivatives) for the arm joints and 1 (0 closed, 1 open) for the grippers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onestep_vla_ros.core.contradiction import bridge_contradictions
from onestep_vla_ros.core.joints import ARM_DOF, DOF, GRIPPER_INDEX
from onestep_vla_ros.core.parameter import param

OUTPUT_MODES = ("joint_trajectory", "joint_trajectory_point", "forward_position")
"""What a controller or driver may take."""
PROFILES = ("joints", "deltas")
"""What a chunk holds: absolute joint positions, or increments, an action a control period."""


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """Parameters of bridge_node: limits, deadlines and what a chunk may look like."""

    profile: str = param(
        "What a chunk holds: absolute positions of joints, or increments, an action a control "
        "period (config/bridge_libero.yaml); each profile has parameters of its own",
        choices=PROFILES,
    )
    control_period_s: float = param(
        "Control period Tc, typical 0.01", unit="s", low=0.001, high=0.05
    )
    output_mode: tuple[str, ...] = param(
        "What the left and the right arm take: trajectories that end at rest, single points for "
        "drivers that execute only the last, or plain positions",
        choices=OUTPUT_MODES,
        length=2,
    )
    gripper_output: str = param(
        "Where grippers go: in their arm's message, or in one of their own in this mode",
        choices=("in_arm", *OUTPUT_MODES),
    )
    left_output_joints: tuple[str, ...] = param(
        "Joints of the left arm's message in its order; the gripper too when in_arm"
    )
    right_output_joints: tuple[str, ...] = param(
        "Joints of the right arm's message in its order; the gripper too when in_arm"
    )
    wire_scale: tuple[float, ...] = param(
        "Value on joint_states and controllers = scale x value + offset; 1 for rad, -0.0475 for a "
        "gripper in metres that opens downwards",
        low=-1000.0,
        high=1000.0,
        length=DOF,
    )
    wire_offset: tuple[float, ...] = param(
        "Offset of wire_scale, in the unit of the wire; typical 0",
        low=-1000.0,
        high=1000.0,
        length=DOF,
    )
    joint_names: tuple[str, ...] = param(
        "Joint names on joint_states and the controllers' topics, in the 14-D order", length=DOF
    )
    position_low: tuple[float, ...] = param(
        "Lower joint limits; YAM arm -2.618 0 0 -1.693 -1.571 -2.094, gripper 0",
        unit="rad",
        low=-10.0,
        high=10.0,
        length=DOF,
    )
    position_high: tuple[float, ...] = param(
        "Upper joint limits; YAM arm 3.1416 3.665 3.1416 1.571 1.571 2.094, gripper 1",
        unit="rad",
        low=-10.0,
        high=10.0,
        length=DOF,
    )
    position_margin: tuple[float, ...] = param(
        "Kept free inside both limits; typical 0.01, gripper 0",
        unit="rad",
        low=0.0,
        high=1.0,
        length=DOF,
    )
    max_velocity: tuple[float, ...] = param(
        "Velocity limit V; typical 2, gripper 4", unit="rad/s", low=0.01, high=20.0, length=DOF
    )
    max_acceleration: tuple[float, ...] = param(
        "Acceleration limit A; typical 10, gripper 40",
        unit="rad/s^2",
        low=0.1,
        high=500.0,
        length=DOF,
    )
    max_jerk: tuple[float, ...] = param(
        "Jerk limit J; typical 500, gripper 2000",
        unit="rad/s^3",
        low=1.0,
        high=50000.0,
        length=DOF,
    )
    joint_state_timeout_s: float = param(
        "Joint states older than this stop the arms; typical 0.05", unit="s", low=0.005, high=1.0
    )
    joint_state_fault_s: float = param(
        "Joint states older than this are a fault; typical 1", unit="s", low=0.01, high=10.0
    )
    measured_overshoot: float = param(
        "How far outside its limits a joint may be measured; typical 0.05",
        unit="rad",
        low=0.0,
        high=0.1,
    )
    state_jump_factor: float = param(
        "A measured step above factor x V x period is refused, three are a fault; typical 5",
        low=1.0,
        high=100.0,
    )
    tracking_error_limit: tuple[float, ...] = param(
        "Allowed gap of command and measured; soft sim gains lag up to 0.15 s x velocity, arms "
        "sag 0.03: typical 0.1 on stiff arms, 0.4 in simulation, gripper 2 (it holds things)",
        unit="rad",
        low=0.001,
        high=10.0,
        length=DOF,
    )
    tracking_error_timeout_s: float = param(
        "A tracking error that lasts this long is a fault; typical 0.1",
        unit="s",
        low=0.0,
        high=5.0,
    )
    max_observation_age_s: float = param(
        "Oldest observation a new chunk may rest on; typical 0.3", unit="s", low=0.01, high=5.0
    )
    max_plan_age_s: float = param(
        "Oldest observation the running plan may rest on, then hold; typical 0.6, above "
        "replan period + latency",
        unit="s",
        low=0.05,
        high=10.0,
    )
    future_tolerance_s: float = param(
        "How far in the future a stamp may lie; typical 0.02", unit="s", low=0.0, high=0.5
    )
    jump_limit: tuple[float, ...] = param(
        "Largest step from the plan to a new chunk, and how far outside the position limits a "
        "waypoint may lie; typical 0.3, gripper 1.1",
        unit="rad",
        low=0.001,
        high=10.0,
        length=DOF,
    )
    min_waypoints: int = param(
        "Fewer usable waypoints than this make a chunk late; typical 2", low=2, high=100
    )
    max_waypoints: int = param(
        "More waypoints than this refuse a chunk; typical 128", low=2, high=1000
    )
    min_period_s: float = param(
        "Shortest waypoint period; typical 0.01", unit="s", low=0.001, high=1.0
    )
    max_period_s: float = param(
        "Longest waypoint period; typical 0.2", unit="s", low=0.001, high=1.0
    )
    max_horizon_s: float = param("Longest chunk; typical 4", unit="s", low=0.01, high=30.0)
    handover: str = param(
        "How a new chunk takes over: splice (at once, keeping q, qd, qdd), blend (softly over "
        "blend_s), ensemble (weighted mean of the newest chunks)",
        choices=("splice", "blend", "ensemble"),
    )
    blend_s: float = param(
        "blend: time from the old curve, still frozen, to the new one, free; typical 0.3",
        unit="s",
        low=0.02,
        high=2.0,
    )
    ensemble_size: int = param("ensemble: chunks that count; typical 4", low=1, high=32)
    ensemble_decay: float = param(
        "ensemble: weight exp(-decay x i) of chunk i, oldest first; typical 0.01, ACT's",
        low=-2.0,
        high=2.0,
    )
    splice_lead_s: float = param(
        "Waypoints due sooner than this are dropped; typical 0.02", unit="s", low=0.0, high=0.5
    )
    start_check: str = param(
        "Arms outside the policy's start poses: off ignores it, refuse refuses to enable, ramp "
        "goes there slowly first",
        choices=("off", "refuse", "ramp"),
    )
    start_tolerance: float = param(
        "How far outside the policy's start poses counts as inside; typical 0.05",
        unit="rad",
        low=0.0,
        high=10.0,
    )
    start_velocity: float = param(
        "Velocity of that ramp; typical 0.2", unit="rad/s", low=0.01, high=1.0
    )
    resume_chunks: int = param(
        "Good chunks in a row before leaving HOLD; typical 1, on a robot 3", low=1, high=100
    )
    fault_chunks: int = param(
        "Malformed chunks in a row that are a fault; typical 3", low=1, high=1000
    )
    cpu_affinity: str = param("Cores the bridge may run on, as 2,3; empty leaves it to the system")
    fifo_priority: int = param(
        "SCHED_FIFO priority of the bridge; 0 leaves the system's own scheduling", low=0, high=98
    )
    status_period_s: float = param(
        "Period of status and diagnostics; typical 1", unit="s", low=0.05, high=60.0
    )
    ledger_window: int = param(
        "Chunks the latency percentiles look back on; typical 1000", low=10, high=100000
    )

    @property
    def follows_tail(self) -> tuple[float, ...]:
        """Which joints go on by themselves while ticks are missing, 1 or 0 each, (14,).

        A controller that got a trajectory follows its tail to rest; others stay where they are.
        """
        modes = [
            self.output_mode[i // ARM_DOF]
            if self.gripper_output == "in_arm" or i not in GRIPPER_INDEX
            else self.gripper_output
            for i in range(DOF)
        ]
        return tuple(float(mode == "joint_trajectory") for mode in modes)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        return bridge_contradictions(values)
