# SPDX-License-Identifier: Apache-2.0
"""Demonstrations that go on from where the shipped policy has got to."""

import json
from pathlib import Path

import numpy as np
import pytest

from onestep_vla_ros.core.errors import DatasetError, OneStepError
from onestep_vla_ros.sim.demonstration import demonstrate
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.sim.yam_station import YamStation
from onestep_vla_ros.train import policy_lead
from onestep_vla_ros.train.attempts import REQUEST
from onestep_vla_ros.train.demos import write_demos
from onestep_vla_ros.train.policy_lead import LEAD_S, PolicyLead

pytestmark = pytest.mark.sim
NANO = str(Path(__file__).resolve().parents[2] / "resource" / "nano")


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


@pytest.fixture(scope="module")
def lead():
    return PolicyLead(NANO, "place")


def test_the_expert_finishes_what_the_policy_began(world, lead):
    demo = demonstrate(world, 7, lead)
    again = demonstrate(world, 7, lead)
    assert np.array_equal(demo.plan, again.plan)
    world.reset(7)
    assert np.abs(demo.q[0] - world.joint_state()[0]).max() > 0.2  # it begins elsewhere
    assert demo.success
    assert not demo.is_mistake.any()


def test_the_expert_goes_on_from_what_the_arms_were_told(world, lead):
    """A target where the arms are would open fingers that press and keep arms that sag down."""
    demo = demonstrate(world, 7, lead)
    told = lead(world, 7)
    assert np.array_equal(demo.plan[0], told)
    assert np.array_equal(demo.q[0], world.stage.q)
    assert np.abs(told - demo.q[0]).max() > 0.01


def test_the_policy_never_gets_to_finish(world, lead, monkeypatch):
    monkeypatch.setattr(policy_lead, "LEAD_S", (14.0, 14.0))
    for seed in (1, 2):
        lead(world, seed)
        assert not world.success()
        assert LEAD_S[0] < world.time_s < 14.0


def test_a_task_that_is_done_at_once_is_not_tried_for_ever(lead, world, monkeypatch):
    asked = []

    def drive(world, cell, seed, duration_s, watch):
        asked.append(duration_s)
        return Episode(seed, "", success=True, time_s=0.01)

    monkeypatch.setattr(lead, "_runner", type("Done", (), {"drive": staticmethod(drive)}))
    lead(world, 3)
    assert len(asked) == 2


def test_datasets_of_another_lead_are_not_mixed(tmp_path):
    request = {"task": "place", "episodes": 1, "seed": 7, "progress": False}
    summary = write_demos(tmp_path / "a", lead=NANO, **request)
    assert summary.written == 1
    asked = json.loads((tmp_path / "a" / REQUEST).read_text())
    assert len(asked["lead"]) == 16
    own = json.loads((tmp_path / "a/meta/onestep.json").read_text())
    assert asked["lead"] in own["expert"]
    with pytest.raises(DatasetError, match="another request"):
        write_demos(tmp_path / "a", **request)
    assert write_demos(tmp_path / "a", lead=NANO, **request) == summary


def test_a_lead_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(OneStepError, match="none"):
        write_demos(tmp_path / "a", "place", 1, 7, lead=str(tmp_path / "none"), progress=False)
    assert not (tmp_path / "a").exists()
