# SPDX-License-Identifier: Apache-2.0
"""The parameter schema of all nodes but the bridge: unit, range and meaning of each.

Values live in config/*.yaml only. `parameter.from_mapping` reads them; "typical" in a doc
is the value to start from. Lists of 14 follow `joints.JOINT_NAMES`; their unit is rad (and
its derivatives) for the arm joints and 1 (0 closed, 1 open) for the grippers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onestep_vla_ros.core.parameter import param


@dataclass(frozen=True, slots=True)
class PolicyNodeConfig:
    """Parameters of policy_node: the checkpoint, how to decode, how fresh its input must be."""

    autostart: bool = param("Configure and activate at once, without a lifecycle manager")
    checkpoint: str = param("Checkpoint folder; empty takes the shipped one")
    joint_names: tuple[str, ...] = param(
        "What this robot is commanded, of two YAM arms the joints in the 14-D order; the "
        "checkpoint must have been made for them"
    )
    wire_names: tuple[str, ...] = param(
        "Names of its state on joint_states, as the bridge's joint_names or state_names"
    )
    wire_scale: tuple[float, ...] = param(
        "Value on joint_states = scale x value + offset, as the bridge's; typical 1",
        low=-1000.0,
        high=1000.0,
    )
    wire_offset: tuple[float, ...] = param(
        "Offset of wire_scale; typical 0", low=-1000.0, high=1000.0
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
        "Decoder steps K; 1 is the method, 2 the safe setting, -1 the checkpoint's own; 0 is "
        "auto: one, and ten where the scene is more ambiguous than demonstrations usually are",
        low=-1,
        high=100,
    )
    noise: str = param(
        "Noise the decoder starts from",
        choices=("checkpoint", "zero", "seeded", "sampled", "mean_k"),
    )
    seed: int = param("Seed of the decoder's noise", low=0, high=2**31 - 1)
    measure_ambiguity: bool = param(
        "Publish the ambiguity of every observation; costs one to two more evaluations of the "
        "head a chunk, nothing more where steps is auto, which measures it anyway"
    )
    prefix_s: float = param(
        "Time from an observation to its chunk at the bridge. A checkpoint that was trained with "
        "a prefix goes on from the waypoints of the running plan (bridge/plan) that are due by "
        "then; to others it means nothing; 0 leaves chunks free; typical 0.1",
        unit="s",
        low=0.0,
        high=2.0,
    )
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
    frozen_images: int = param(
        "This many equal pictures in a row of a camera, with new stamps, are a frozen camera; "
        "typical 10, 0 for rendered ones, which do not change while the scene rests",
        low=0,
        high=1000,
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

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        count = len(values.get("wire_names", ()))
        return [
            f"{key}: got: {len(values[key])} entries; allowed: {count}, as wire_names"
            for key in ("wire_scale", "wire_offset")
            if key in values and "wire_names" in values and len(values[key]) != count
        ]


YAM, LIBERO = WORLDS = ("yam", "libero")
"""What sim_node can serve."""


@dataclass(frozen=True, slots=True)
class SimNodeConfig:
    """Parameters of sim_node: the task, its clock and what it publishes how often."""

    world: str = param(
        "Two YAM arms at their table, or a task of LIBERO (config/sim_libero.yaml)",
        choices=WORLDS,
    )
    suite: str = param("LIBERO: the suite; elsewhere empty")
    task: str = param(
        "Tasks of the station: one, several with commas between, or all; they take turns. "
        "LIBERO: the place of one in its suite, from 0"
    )
    rendering: str = param(
        "LIBERO: as the package renders, or without multi-sampling, shadows and reflections",
        choices=("full", "fast"),
    )
    seed: int = param(
        "Seed of the first episode; LIBERO: number of its initial state",
        low=0,
        high=2**31 - 1,
    )
    mode: str = param(
        "realtime follows the wall clock, lockstep waits for one command a control period and "
        "for the chunks that are due",
        choices=("realtime", "lockstep"),
    )
    real_time_factor: float = param(
        "Simulated seconds a second in realtime mode; typical 1", low=0.01, high=100.0
    )
    control_period_s: float = param(
        "Time a step simulates, multiple of 1/600; typical 0.01, LIBERO 0.05",
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
        choices=("joint_trajectory", "joint_trajectory_point", "forward_position"),
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

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        faults = []
        if values.get("world") == LIBERO and not values.get("task", "0").isdecimal():
            faults.append(
                f"task: got: {values['task']!r}; allowed with world libero: a number from 0"
            )
        if values.get("world") == YAM and values.get("suite"):
            faults.append(f"suite: got: {values['suite']!r}; allowed with world yam: empty")
        return faults


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
        "Simulated time after which an episode has failed; 0 takes the task's own limit",
        unit="s",
        low=0.0,
        high=600.0,
    )
    startup_timeout_s: float = param(
        "Wall time for simulator, bridge and policy to report; typical 300",
        unit="s",
        low=1.0,
        high=3600.0,
    )
    keep_actions: bool = param(
        "Also write every action of an arm that takes increments, and what each chunk has cost"
    )
