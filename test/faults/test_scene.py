# SPDX-License-Identifier: Apache-2.0
"""The scene drives the real bridge in every hand-over, output and rate; the wire stays clean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.wire_motion import Knots
from onestep_vla_ros.core.wire_spec import channels_of
from onestep_vla_ros.faults.arms import Arm
from onestep_vla_ros.faults.scene import Scene
from onestep_vla_ros.faults.setup import START_S, shipped_setup
from onestep_vla_ros.faults.timeline import Timeline

CONFIG = shipped_setup().bridge
GRIPPERS = {
    "gripper_output": "forward_position",
    "left_output_joints": CONFIG.joint_names[:6],
    "right_output_joints": CONFIG.joint_names[12:6:-1],
    "wire_scale": (1.0,) * 6 + (-0.0475,) + (-1.0,) + (1.0,) * 5 + (0.0475,),
    "wire_offset": (0.0,) * 6 + (0.0475,) + (0.2,) + (0.0,) * 6,
}
VARIANTS = {
    "splice": {},
    "blend": {"handover": "blend"},
    "ensemble": {"handover": "ensemble"},
    "points": {"output_mode": ("joint_trajectory_point",) * 2},
    "positions": {"output_mode": ("forward_position",) * 2},
    "mixed": {"output_mode": ("joint_trajectory", "forward_position")},
    "own grippers and units": GRIPPERS,
    "250 Hz": {"control_period_s": 0.004},
}


def driven(changes, until_s=2.0):
    setup = shipped_setup(3, bridge=replace(CONFIG, **changes))
    scene = Scene(setup, Bridge(setup.bridge))
    scene.run(START_S + 0.05)
    assert scene.enable().is_accepted
    scene.run(START_S + until_s)
    scene.wire.check.finish()
    return scene


@pytest.mark.parametrize("name", VARIANTS)
def test_the_wire_is_clean(name):
    scene = driven(VARIANTS[name])
    assert not scene.wire.check.violations, scene.wire.check.examples
    assert scene.commands[-1][1].mode is Mode.RUN
    assert sum(v.is_accepted for _, v in scene.verdicts) >= 6
    assert np.abs(scene.commands[-1][1].qd).max() > 0.3


def test_the_arms_are_where_the_bridge_commands():
    scene = driven({}, until_s=1.5)
    stamp_s = scene.commands[-2][1].stamp_s
    q = scene.wire.arms.state(stamp_s)[0]
    assert np.abs(q - scene.commands[-2][1].q).max() < 1e-9


def test_an_arm_takes_over_smoothly_from_where_it_is():
    """A message for later: a quintic from the present set point to its first knot."""
    spec = channels_of(CONFIG)[0]
    arm = Arm(spec, np.zeros(7))
    still = np.zeros((1, 7))
    arm.take(1.1, Knots(np.zeros(1), np.full((1, 7), 0.5), still, still), 1.0)
    q = np.array([arm.state(1.0 + 0.001 * k)[0] for k in range(120)])
    assert np.abs(np.diff(q, axis=0)).max() < 0.5 * 1.9 / 100
    assert not q[0].any()
    assert (q[-1] == 0.5).all()


def test_the_timeline_keeps_order_and_can_be_set_back():
    timeline, seen = Timeline(), []
    timeline.at(START_S + 0.02, lambda: seen.append("late"))
    timeline.at(START_S + 0.01, lambda: seen.append("first"))
    timeline.at(START_S + 0.01, lambda: seen.append("second"))
    timeline.run(START_S + 0.02)
    assert seen == ["first", "second"]
    timeline.set_back(5.0)
    assert timeline.now_s == pytest.approx(START_S - 4.98)
    timeline.run(timeline.now_s + 0.01)
    assert seen[-1] == "late"
    assert timeline.true_s == pytest.approx(START_S + 0.03)
