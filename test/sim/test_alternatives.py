# SPDX-License-Identifier: Apache-2.0
"""The reference models do what their sources say, nothing kinder and nothing worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.sim.alternatives import (
    LEROBOT_CLAMP,
    AlternativeDriver,
    HardSwap,
    LastPoint,
    NoLimit,
    Queue,
    RelativeTarget,
    SeriesClip,
    alternatives,
)

HOME = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5] * 2)
TC = 0.01


@pytest.fixture(scope="module")
def config():
    return from_mapping(BridgeConfig, read_parameters("bridge.yaml"))


def ramp(stamp_s=0.0, height=0.4):
    """Ten waypoints 0.1 s apart, all joints up by `height`."""
    return Chunk(HOME + height * np.linspace(0.1, 1.0, 10)[:, None], stamp_s, 0.1)


def started(aim, limiter):
    driver = AlternativeDriver(aim, limiter)
    driver.on_joint_state(HOME, None, 0.0, 0.0)
    assert driver.enable(0.0).is_accepted
    return driver


def test_nothing_is_sent_before_enable_and_the_measured_state_until_a_chunk():
    driver = AlternativeDriver(HardSwap(), NoLimit())
    assert not driver.enable(0.0).is_accepted
    assert driver.tick(0.0).q is None
    assert not driver.on_chunk(ramp(), 0.0).is_accepted
    driver = started(HardSwap(), NoLimit())
    assert driver.tick(0.01).mode is Mode.RUN
    assert (driver.tick(0.02).q == HOME).all()


def test_hard_swap_runs_on_the_chunks_clock_and_holds_its_end():
    driver = started(HardSwap(), NoLimit())
    driver.on_chunk(ramp(stamp_s=1.0), 1.2)
    assert driver.tick(1.3).q == pytest.approx(HOME + 0.12, abs=1e-12)
    assert driver.tick(9.0).q == pytest.approx(HOME + 0.4)
    before = driver.tick(1.5).q
    driver.on_chunk(ramp(stamp_s=1.0, height=0.8), 1.5)
    assert np.abs(driver.tick(1.5 + TC).q - before).max() > 0.1  # at once


def test_a_queue_begins_with_the_first_action_however_late_it_comes():
    driver = started(Queue(), NoLimit())
    driver.on_chunk(ramp(stamp_s=1.0), 1.7)
    assert driver.tick(1.7).q == pytest.approx(HOME + 0.04)


def test_last_point_goes_there_at_once():
    driver = started(LastPoint(), NoLimit())
    driver.on_chunk(ramp(), 0.05)
    assert driver.tick(0.06).q == pytest.approx(HOME + 0.4)


def test_relative_target_is_lerobots_formula():
    """goal = present + min(max(goal - present, -clamp), clamp), from the measured position."""
    driver = started(LastPoint(), RelativeTarget())
    driver.on_chunk(ramp(), 0.05)
    assert driver.tick(0.06).q == pytest.approx(HOME + LEROBOT_CLAMP)
    driver.on_joint_state(HOME + 0.2, None, 0.06, 0.06)
    assert driver.tick(0.07).q == pytest.approx(HOME + 0.2 + LEROBOT_CLAMP)
    driver.on_joint_state(np.full(14, np.nan), None, 0.07, 0.07)
    assert np.isnan(driver.tick(0.08).q).all()


def test_series_clipping_keeps_velocity_and_acceleration_and_overshoots_the_position(config):
    """The last clip wins: the arm brakes too late for the position clip."""
    limit = config.position_high[0] - config.position_margin[0]
    near = replace(config, max_acceleration=tuple([10.0] * 14))
    clip = SeriesClip(near)
    q = np.where(np.arange(14) == 0, limit - 0.5, HOME)
    clip.begin(q)
    sent = [q]
    for _ in range(200):
        sent.append(clip.limit(np.where(np.arange(14) == 0, 9.0, q), q))
    v = np.diff([s[0] for s in sent]) / TC
    assert v.max() <= 2.0 + 1e-9
    assert np.abs(np.diff(v)).max() / TC <= 10.0 + 1e-6
    assert max(s[0] for s in sent) > limit + 0.1


def test_every_alternative_takes_what_the_bridge_takes(config):
    for driver in alternatives(config).values():
        driver.on_joint_state(HOME, None, 0.0, 0.0)
        driver.on_start_pose(HOME, HOME)
        driver.on_policy_trouble("blind", 0.0)
        driver.enable(0.0)
        assert driver.on_chunk(ramp(), 0.0).is_accepted
        assert driver.on_chunk(Chunk(np.zeros((1, 3)), 0.0, 0.1), 0.0).is_accepted
        assert driver.tick(0.5).q.shape == (14,)
