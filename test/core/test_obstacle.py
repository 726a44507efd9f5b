# SPDX-License-Identifier: Apache-2.0
"""What may not be: named when the arms are to be enabled, a fault when they are."""

from __future__ import annotations

from bridge_rig import Rig, is_braking

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason


def test_obstacles_refuse_enable_by_name_until_they_are_gone(bridge_config, home):
    rig = Rig(bridge_config, home)
    rig.tick()
    rig.bridge.set_obstacle("action_chunk", "2 publishers", rig.now)
    rig.bridge.set_obstacle("left_arm_controller", "unsafe", rig.now)
    verdict = rig.bridge.enable(rig.now)
    assert verdict.reason is Reason.OBSTACLE
    assert verdict.detail == "action_chunk: 2 publishers; left_arm_controller: unsafe"
    for name in ("action_chunk", "left_arm_controller"):
        rig.bridge.set_obstacle(name, "", rig.now)
    assert rig.bridge.enable(rig.now).is_accepted


def test_obstacle_while_running_is_a_fault_that_brakes_at_once(bridge_config, home, check_wire):
    rig = Rig(bridge_config, home)
    rig.enable()
    rig.run()
    rig.bridge.set_obstacle("action_chunk", "2 publishers", rig.now)
    before, after = rig.commands[-1], rig.tick()
    assert after.mode is Mode.FAULT
    assert "action_chunk: 2 publishers" in after.reason
    assert is_braking(before, after)
    rig.bridge.set_obstacle("action_chunk", "", rig.now)
    assert rig.tick(60).mode is Mode.FAULT  # latched
    check_wire(rig.commands, bridge_config)


def test_removing_an_unknown_obstacle_is_nothing(bridge_config, home):
    rig = Rig(bridge_config, home)
    rig.enable()
    rig.bridge.set_obstacle("action_chunk", "", rig.now)
    assert rig.tick().mode is Mode.HOLD
