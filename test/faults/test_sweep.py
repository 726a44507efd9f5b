# SPDX-License-Identifier: Apache-2.0
"""The rows can fail: a bridge with a guard removed is found out, and so is a careless row."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.camera_rows import row_1
from onestep_vla_ros.faults.policy_rows import row_11
from onestep_vla_ros.faults.robot_rows import row_32
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.setup import shipped_setup
from onestep_vla_ros.faults.state_rows import row_6, row_9
from onestep_vla_ros.faults.sweep import Sweep, Tally, brake_s, rest_s

CASES = 2


class Deaf(Bridge):
    """A bridge that does not hear that the policy cannot see."""

    def on_policy_trouble(self, words, now_s):
        pass


class Careless(Bridge):
    """A bridge that takes any joint state, even one that could not be read."""

    def refuse(self, topic, verdict, now_s):
        pass


class Forgetful(Bridge):
    """A bridge whose answer depends on something that is not its input."""

    ticks = 0

    def tick(self, now_s):
        Forgetful.ticks += 1
        command = super().tick(now_s)
        return command if command.q is None else replace(command, reason=str(Forgetful.ticks))


class Jerky(Bridge):
    """A bridge that moves one joint by half a millirad every tenth tick."""

    ticks = 0

    def tick(self, now_s):
        command = super().tick(now_s)
        self.ticks += 1
        if command.q is None or self.ticks % 10:
            return command
        return replace(command, q=command.q + 5e-4 * (np.arange(14) == 3))


def patient(setup):
    """A bridge that tolerates everything longer than the row allows."""
    slow = {"joint_state_timeout_s": 0.08, "max_plan_age_s": 0.9, "tracking_error_timeout_s": 0.2}
    return Bridge(replace(setup.bridge, **slow))


def result_of(row, make):
    return row(Sweep(CASES, seed=0, make=make))


def test_a_deaf_bridge_fails_the_camera_row():
    assert not result_of(row_1, lambda setup: Deaf(setup.bridge)).holds


def test_a_careless_bridge_fails_the_row_of_bad_joint_states():
    found = result_of(row_9, lambda setup: Careless(setup.bridge))
    assert not found.holds
    assert found.worst_s > found.bound_s


@pytest.mark.parametrize("row", [row_6, row_11, row_32])
def test_a_patient_bridge_is_too_late(row):
    found = result_of(row, patient)
    assert not found.holds
    assert found.worst_s > found.bound_s
    assert "too late" in found.detail


def test_a_bridge_that_cannot_be_replayed_violates_i14():
    found = result_of(row_11, lambda setup: Forgetful(setup.bridge))
    assert "I14" in found.detail
    assert found.violations >= CASES


def test_a_jerky_bridge_is_caught_on_the_wire():
    streamed = replace(shipped_setup().bridge, output_mode=("forward_position",) * 2)
    sweep = Sweep(1, make=lambda setup: Jerky(setup.bridge))
    scene = sweep.start(next(sweep.cases()), bridge=streamed)
    assert scene.wire.check.violations["I5"] > 0


def test_cases_cover_the_replan_period_and_the_control_period():
    cases = list(Sweep(10).cases())
    times = np.array([case.fault_s for case in cases])
    phases = np.sort((times - times[0]) / 0.24)
    assert np.diff(phases).max() < 0.15
    assert phases[-1] > 0.85
    assert len({case.seed for case in cases}) == 10


def test_a_scene_at_the_fault_follows_the_policy():
    sweep = Sweep(1)
    scene = sweep.start(next(sweep.cases()))
    assert scene.commands[-1][1].mode is Mode.RUN
    assert np.abs(scene.commands[-1][1].qd).max() > 0.3
    assert brake_s(scene, scene.now_s) == math.inf
    assert rest_s(scene, scene.now_s) == math.inf


def test_a_tally_without_a_time_is_too_late():
    assert not Tally(1, 0.1).result("nothing was measured").holds
    good = Tally(1, 0.1)
    good.time(0.1)
    assert good.result("").holds
    good.time(0.1001)
    assert not good.result("").holds


def test_an_unknown_row_or_kind_is_refused():
    with pytest.raises(ConfigError, match="1 to 35"):
        RowResult(36, "x", None, None, True, "pure")
    with pytest.raises(ConfigError, match="pure"):
        RowResult(1, "x", None, None, True, "guess")


def test_a_time_that_never_ended_is_a_word_in_json():
    found = RowResult(1, "x", 0.1, math.inf, False, "pure").to_json()
    assert (found["bound_s"], found["worst_s"]) == (0.1, "inf")
