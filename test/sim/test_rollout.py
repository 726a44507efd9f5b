# SPDX-License-Identifier: Apache-2.0
"""The in-process rollout: same bridge as the robot's, simulated time only."""

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.sim.expert_policy import ExpertPolicy
from onestep_vla_ros.sim.rollout import Timing, run_episode
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


@pytest.fixture(scope="module")
def config():
    return from_mapping(BridgeConfig, read_parameters("bridge.yaml"))


def test_the_expert_succeeds_through_the_bridge_and_its_latency(world, config):
    episode = run_episode(world, ExpertPolicy(world).infer, config, 3, Timing(latency_s=0.06))
    assert episode.success
    assert not episode.wrong_object
    assert not episode.fault
    assert episode.chunks > 10
    assert episode.ticks == round(episode.time_s / config.control_period_s)
    assert len(episode.inference_s) >= episode.chunks


def test_the_same_seed_gives_the_same_episode(world, config):
    first, second = (
        run_episode(world, ExpertPolicy(world).infer, config, 5, Timing()) for _ in range(2)
    )
    assert first.time_s == second.time_s
    assert first.chunks == second.chunks


def test_a_policy_that_sends_nan_moves_nothing_and_ends_in_a_fault(world, config):
    def infer(observation):
        return Chunk(np.full((16, 14), np.nan), observation.stamp_s, 0.04)

    world.reset(0)
    before = world.joint_state()[0]
    episode = run_episode(world, infer, config, 0, Timing(timeout_s=3.0))
    assert not episode.success
    assert "bad chunks" in episode.fault
    assert episode.rejected == {"not_finite": config.fault_chunks}
    assert np.abs(world.joint_state()[0] - before).max() < 0.05  # gravity sag alone


def test_chunks_later_than_the_age_limit_are_counted_and_never_run(world, config):
    timing = Timing(latency_s=config.max_observation_age_s + 0.05, timeout_s=2.0)
    episode = run_episode(world, ExpertPolicy(world).infer, config, 0, timing)
    assert not episode.success
    assert episode.chunks > 0
    assert sum(episode.rejected.values()) == episode.chunks


def test_an_episode_ends_at_its_time_out(world, config):
    timing = replace(Timing(), timeout_s=0.5)
    episode = run_episode(world, ExpertPolicy(world).infer, config, 0, timing)
    assert not episode.success
    assert episode.time_s == pytest.approx(0.5, abs=config.control_period_s)


def test_a_policy_without_eyes_is_shown_no_picture_and_the_watch_sees_every_tick(world, config):
    seen, commands = [], []
    expert = ExpertPolicy(world).infer

    def infer(observation):
        seen.append(set(observation.images))
        return expert(observation)

    timing = Timing(timeout_s=1.0)
    episode = run_episode(world, infer, config, 0, timing, (), commands.append)
    assert seen == [set()] * 5
    assert len(commands) == episode.ticks == 100


def test_what_the_plan_holds_until_the_chunk_arrives_is_told_to_a_policy_that_goes_on(
    world, config
):
    """It goes on from the told waypoints, each time a little faster."""
    asked = []

    def infer(observation, given):
        asked.append((observation.stamp_s, given))
        rest = given[-1] if len(given) else observation.q
        climb = 0.004 * len(asked) * np.arange(1.0, 13.0)[:, None]
        return Chunk(np.vstack([given, rest + climb]), observation.stamp_s, 0.08)

    timing = Timing(latency_s=0.16, timeout_s=1.2, given_period_s=0.08)
    episode = run_episode(world, infer, config, 0, timing)
    assert [len(given) for _, given in asked[1:]] == [2] * (len(asked) - 1)
    first, second = asked[1][1], asked[2][1]
    assert (second[0] > first[-1]).all()
    assert np.allclose(second - first, 3 * 0.008, atol=0.008)
    assert len(episode.seams_rad) == episode.chunks - 1
    assert len(episode.seam_accelerations) == len(episode.seams_rad)
    assert 0.0 < max(episode.seams_rad) < 0.1
    assert max(episode.seam_accelerations) > 0.0
