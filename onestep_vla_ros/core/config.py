# SPDX-License-Identifier: Apache-2.0
"""The parameter schema: what each node takes, in which unit, within which range.

Values live in config/*.yaml only. `parameter.from_mapping` reads them; "typical" in a doc
is the value to start from. Lists of 14 follow `joints.JOINT_NAMES`; their unit is rad (and
its derivatives) for the arm joints and 1 (0 closed, 1 open) for the grippers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onestep_vla_ros.core.contradiction import bridge_contradictions
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.parameter import param


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """Parameters of bridge_node: limits, deadlines and what a chunk may look like."""

    control_period_s: float = param(
        "Control period Tc, typical 0.01", unit="s", low=0.001, high=0.05
    )
    output_mode: str = param(
        "What the controllers take: trajectories that end at rest, or plain positions",
        choices=("joint_trajectory", "forward_position"),
    )
    joint_names: tuple[str, ...] = param("Joint names on the wire, in the 14-D order", length=DOF)
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
    max_horizon_s: float = param("Longest chunk; typical 3", unit="s", low=0.01, high=30.0)
    splice_lead_s: float = param(
        "Waypoints due sooner than this are dropped; typical 0.02", unit="s", low=0.0, high=0.5
    )
    resume_chunks: int = param(
        "Good chunks in a row before leaving HOLD; typical 1, on a robot 3", low=1, high=100
    )
    fault_chunks: int = param(
        "Malformed chunks in a row that are a fault; typical 3", low=1, high=1000
    )
    status_period_s: float = param(
        "Period of status and diagnostics; typical 1", unit="s", low=0.05, high=60.0
    )
    ledger_window: int = param(
        "Chunks the latency percentiles look back on; typical 1000", low=10, high=100000
    )

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        return bridge_contradictions(values)


@dataclass(frozen=True, slots=True)
class PolicyNodeConfig:
    """Parameters of policy_node: the checkpoint, how to decode, how fresh its input must be."""

    autostart: bool = param("Configure and activate at once, without a lifecycle manager")
    checkpoint: str = param("Checkpoint folder; empty takes the shipped one")
    joint_names: tuple[str, ...] = param(
        "Joints of this robot in the 14-D order; the checkpoint must have been made for them",
        length=DOF,
    )
    cameras: tuple[str, ...] = param(
        "Cameras of this robot, each as name:widthxheight; the checkpoint must expect them"
    )
    waypoint_period_s: float = param(
        "Time between the waypoints of a chunk; the checkpoint must have been made for it",
        unit="s",
        low=0.001,
        high=1.0,
    )
    device: str = param("Torch device, for example cpu or cuda:0")
    threads: int = param("Torch threads; 0 leaves torch's own choice", low=0, high=256)
    steps: int = param(
        "Decoder steps K; 1 is the method, 2 the safe setting, -1 the checkpoint's own",
        low=-1,
        high=100,
    )
    noise: str = param(
        "Noise the decoder starts from",
        choices=("checkpoint", "zero", "seeded", "sampled", "mean_k"),
    )
    seed: int = param("Seed of the decoder's noise", low=0, high=2**31 - 1)
    replan_period_s: float = param(
        "Time between inferences; 0 runs one after the other; typical 0.16",
        unit="s",
        low=0.0,
        high=5.0,
    )
    image_timeout_s: float = param(
        "Images older than this are refused; typical 0.15", unit="s", low=0.01, high=5.0
    )
    joint_state_timeout_s: float = param(
        "Joint states older than this are refused; typical 0.05", unit="s", low=0.005, high=5.0
    )
    max_skew_s: float = param(
        "Largest time between the parts of one observation; typical 0.05",
        unit="s",
        low=0.0,
        high=1.0,
    )
    future_tolerance_s: float = param(
        "How far in the future a stamp may lie; typical 0.02", unit="s", low=0.0, high=0.5
    )
    image_transport: str = param("Which image topics to read", choices=("raw", "compressed"))
    instruction: str = param("Instruction until one arrives on the topic; empty waits for one")
    fault_inferences: int = param(
        "Failed inferences in a row after which the node ends with an error; typical 3",
        low=1,
        high=1000,
    )
    status_period_s: float = param(
        "Period of diagnostics; typical 1", unit="s", low=0.05, high=60.0
    )


@dataclass(frozen=True, slots=True)
class SimNodeConfig:
    """Parameters of sim_node: the task, its clock and what it publishes how often."""

    task: str = param("Task of the station, for example place")
    seed: int = param("Seed of the first episode", low=0, high=2**31 - 1)
    mode: str = param(
        "realtime follows the wall clock, lockstep waits for one command a control period",
        choices=("realtime", "lockstep"),
    )
    real_time_factor: float = param(
        "Simulated seconds a second in realtime mode; typical 1", low=0.01, high=100.0
    )
    control_period_s: float = param(
        "Time a step simulates, multiple of 1/600; typical 0.01",
        unit="s",
        low=1.0 / 600.0,
        high=0.1,
    )
    joint_state_period_s: float = param(
        "Period of joint_states; typical 0.01", unit="s", low=1.0 / 600.0, high=0.1
    )
    camera_period_s: float = param(
        "Period of the camera images; typical 0.04", unit="s", low=0.005, high=1.0
    )
    image_transport: str = param("Which image topics to publish", choices=("raw", "compressed"))
    command_mode: str = param(
        "Which command topics to obey, as the bridge's output_mode",
        choices=("joint_trajectory", "forward_position"),
    )
    replan_period_s: float = param(
        "Lockstep: time between the observations whose chunk is waited for, as the policy's",
        unit="s",
        low=0.0,
        high=5.0,
    )
    lockstep_timeout_s: float = param(
        "Lockstep: wall time without the awaited message that ends the node; typical 60",
        unit="s",
        low=0.1,
        high=600.0,
    )


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Parameters of recorder_node: where the pictures and figures of a run go."""

    folder: str = param("Folder to write to, created when missing")
    video_rate_hz: float = param(
        "Frames a second of the video; typical 25", unit="Hz", low=1.0, high=120.0
    )
    video_height_px: int = param("Height of the video; typical 384", unit="px", low=64, high=2160)
    quota_mb: int = param(
        "Recording ends beyond this size; typical 500", unit="MB", low=1, high=1000000
    )


@dataclass(frozen=True, slots=True)
class ConductorConfig:
    """Parameters of demo_conductor: how many episodes, how long, where the results go."""

    folder: str = param("Folder to write to, created when missing")
    episodes: int = param("Episodes to run; typical 10", low=1, high=10000)
    timeout_s: float = param(
        "Simulated time after which an episode has failed; typical 15",
        unit="s",
        low=0.1,
        high=600.0,
    )
    startup_timeout_s: float = param(
        "Wall time for simulator, bridge and policy to report; typical 300",
        unit="s",
        low=1.0,
        high=3600.0,
    )
