# SPDX-License-Identifier: Apache-2.0
"""Two YAM arms' bridge parameters, and the wire checker every motion has to pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from bridge_rig import Rig

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.parameter import from_mapping

HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.7] * 2)
REL_TOL = 1e-6


def _both(arm: list[float], gripper: float) -> list[float]:
    return [*arm, gripper] * 2


@pytest.fixture(scope="session")
def bridge_mapping() -> dict[str, object]:
    """Bridge parameters as YAML would give them."""
    return {
        "profile": "joints",
        "control_period_s": 0.01,
        "output_mode": ["forward_position"] * 2,
        "gripper_output": "in_arm",
        "left_output_joints": list(JOINT_NAMES[:7]),
        "right_output_joints": list(JOINT_NAMES[7:]),
        "wire_scale": [1.0] * 14,
        "wire_offset": [0.0] * 14,
        "joint_names": list(JOINT_NAMES),
        "position_low": _both([-2.618, 0.0, 0.0, -1.693, -1.571, -2.094], 0.0),
        "position_high": _both([3.1416, 3.665, 3.1416, 1.571, 1.571, 2.094], 1.0),
        "position_margin": _both([0.01] * 6, 0.0),
        "max_velocity": _both([2.0] * 6, 4.0),
        "max_acceleration": _both([10.0] * 6, 40.0),
        "max_jerk": _both([500.0] * 6, 2000.0),
        "joint_state_timeout_s": 0.05,
        "joint_state_fault_s": 1.0,
        "measured_overshoot": 0.05,
        "state_jump_factor": 5.0,
        "tracking_error_limit": _both([0.1] * 6, 2.0),
        "tracking_error_timeout_s": 0.1,
        "max_observation_age_s": 0.3,
        "max_plan_age_s": 0.6,
        "future_tolerance_s": 0.02,
        "jump_limit": _both([0.3] * 6, 1.1),
        "min_waypoints": 2,
        "max_waypoints": 128,
        "min_period_s": 0.01,
        "max_period_s": 0.2,
        "max_horizon_s": 3.0,
        "handover": "splice",
        "blend_s": 0.3,
        "ensemble_size": 4,
        "ensemble_decay": 0.01,
        "splice_lead_s": 0.02,
        "start_check": "off",
        "start_tolerance": 0.05,
        "start_velocity": 0.2,
        "resume_chunks": 1,
        "fault_chunks": 3,
        "cpu_affinity": "",
        "fifo_priority": 0,
        "status_period_s": 1.0,
        "ledger_window": 100,
    }


@pytest.fixture(scope="session")
def bridge_config(bridge_mapping: dict[str, object]) -> BridgeConfig:
    return from_mapping(BridgeConfig, bridge_mapping)


@pytest.fixture(scope="session")
def home() -> np.ndarray:
    return HOME.copy()


@pytest.fixture(scope="session")
def check_wire() -> Callable[[Sequence[Command], BridgeConfig], None]:
    """I1-I6, I9, I10 and I12 on what was sent, by finite differences of the positions."""

    def check(commands: Sequence[Command], config: BridgeConfig) -> None:
        run: list[Command] = []
        for command in commands:
            if command.q is None:
                assert command.qd is None
                assert command.qdd is None
                assert command.tail() is None
                _check_motion(run, config)
                run = []
            elif not run or command is not run[-1]:
                run.append(command)
        _check_motion(run, config)

    return check


def _check_motion(run: list[Command], config: BridgeConfig) -> None:
    if not run:
        return
    q = np.array([command.q for command in run])
    margin = np.array(config.position_margin)
    period = config.control_period_s
    assert q.shape[1] == len(JOINT_NAMES)
    assert np.isfinite(q).all()
    assert (q >= np.array(config.position_low) + margin).all()
    assert (q <= np.array(config.position_high) - margin).all()
    still = np.concatenate([q[:1], q[:1], q[:1], q])  # the first command is at rest
    for order, limit in enumerate(
        (config.max_velocity, config.max_acceleration, config.max_jerk), start=1
    ):
        rate = np.abs(np.diff(still, order, axis=0)) / period**order
        assert (rate <= np.array(limit) * (1.0 + REL_TOL) + 1e-15 * 8.0 / period**order).all()
    for command in run[:: max(len(run) // 10, 1)]:
        tail = command.tail()
        assert tail is not None
        assert tail.times_s[0] == 0.0
        assert (np.diff(tail.times_s) > 0.0).all()
        assert np.abs(tail.q[0] - command.q).max() <= 1e-12
        assert not tail.qd[-1].any()
        assert not tail.qdd[-1].any()


@pytest.fixture
def rig(bridge_config: BridgeConfig, home: np.ndarray) -> Rig:
    return Rig(bridge_config, home)
