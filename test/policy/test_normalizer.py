# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onestep_vla_ros.core.joints import ARM_JOINT_INDEX, DOF, GRIPPER_INDEX
from onestep_vla_ros.policy.normalizer import STD_FLOOR, Normalizer

H = 4


def _normalizer():
    rng = np.random.default_rng(0)
    state = rng.uniform(-1, 1, (100, DOF)).astype(np.float32)
    action = state[:, None] + rng.normal(0, 0.1, (100, H, DOF)).astype(np.float32)
    return Normalizer.fit(state, action), torch.from_numpy(state), torch.from_numpy(action)


_JOINTS = st.floats(-3.0, 3.0, width=32)


@given(
    arrays(np.float32, (2, DOF), elements=_JOINTS),
    arrays(np.float32, (2, H, DOF), elements=_JOINTS),
)
def test_decode_undoes_encode(q, action):
    normalizer, *_ = _normalizer()
    q, action = torch.from_numpy(q), torch.from_numpy(action)
    back = normalizer.decode_action(normalizer.encode_action(action, q), q)
    assert torch.allclose(back, action, atol=1e-5)


def test_fitted_data_has_zero_mean_and_unit_scale():
    normalizer, state, action = _normalizer()
    for x in (normalizer.encode_state(state), normalizer.encode_action(action, state)):
        assert torch.allclose(x.mean(0), torch.zeros_like(x[0]), atol=1e-4)
        assert torch.allclose(x.std(0, correction=0), torch.ones_like(x[0]), atol=1e-3)


def test_arm_joints_are_relative_to_the_state_and_grippers_are_not():
    normalizer, state, action = _normalizer()
    move = torch.full_like(state, 0.7)
    before = normalizer.encode_action(action, state)
    after = normalizer.encode_action(action, state + move)
    arm, gripper = list(ARM_JOINT_INDEX), list(GRIPPER_INDEX)
    assert torch.equal(before[..., gripper], after[..., gripper])
    both = normalizer.encode_action(action + move[:, None], state + move)
    assert torch.allclose(before[..., arm], both[..., arm], atol=1e-3)


def test_a_joint_that_never_moves_is_not_amplified():
    state = np.zeros((10, DOF), np.float32)
    normalizer = Normalizer.fit(state, np.zeros((10, H, DOF), np.float32))
    assert float(normalizer.action_std.min()) == pytest.approx(STD_FLOOR)
    assert float(normalizer.state_std.min()) == pytest.approx(STD_FLOOR)


def test_json_round_trip_is_exact():
    normalizer, *_ = _normalizer()
    back, faults = Normalizer.from_json(normalizer.to_json(), H, DOF)
    assert faults == []
    assert torch.equal(back.action_std, normalizer.action_std)


def test_every_damaged_entry_is_listed():
    normalizer, *_ = _normalizer()
    data = normalizer.to_json()
    data["state_mean"][0] = float("nan")
    data["state_std"][3] = 0.0
    data["action_mean"] = data["action_mean"][:-1]
    del data["action_std"]
    data["extra"] = 1
    back, faults = Normalizer.from_json(data, H, DOF)
    assert back is None
    assert len(faults) == 5


def test_an_arm_that_is_commanded_in_steps_has_no_deltas_and_a_state_of_its_own_length():
    rng = np.random.default_rng(1)
    state = rng.normal(size=(50, 8)).astype(np.float32)
    action = rng.uniform(-1, 1, (50, H, 7)).astype(np.float32)
    normalizer = Normalizer.fit(state, action, relative=())
    q, chunk = torch.from_numpy(state), torch.from_numpy(action)
    known = normalizer.encode_action(chunk, q)
    assert torch.equal(known, normalizer.encode_action(chunk, q + 1.0))
    assert torch.allclose(normalizer.decode_action(known, q), chunk, atol=1e-5)
    back, faults = Normalizer.from_json(normalizer.to_json(), H, 7, 8, ())
    assert faults == []
    assert torch.equal(back.encode_action(chunk, q), known)
    assert Normalizer.from_json(normalizer.to_json(), H, 7)[1]


def test_what_is_relative_is_part_of_the_statistics_and_wins_over_the_robots():
    normalizer, *_ = _normalizer()
    data = normalizer.to_json() | {"relative": [0, 3]}
    found, faults = Normalizer.from_json(data, H, DOF, relative=ARM_JOINT_INDEX)
    assert not faults
    assert found.relative == (0, 3)
    del data["relative"]  # as checkpoints from before there was a choice
    assert Normalizer.from_json(data, H, DOF, relative=(1,))[0].relative == (1,)


@pytest.mark.parametrize("relative", [[DOF], [-1], ["x"], 3, None, [[0]]])
def test_relative_actions_that_are_none_are_refused(relative):
    normalizer, *_ = _normalizer()
    found, faults = Normalizer.from_json(normalizer.to_json() | {"relative": relative}, H, DOF)
    assert found is None
    assert "relative" in faults[0]


def test_entries_that_a_padded_head_decodes_beyond_the_robot_are_cut():
    normalizer, state, action = _normalizer()
    x = normalizer.encode_action(action[:2], state[:2])
    wide = torch.cat([x, torch.full((2, H, 18), 9.0)], dim=-1)
    assert torch.equal(
        normalizer.decode_action(wide, state[:2]), normalizer.decode_action(x, state[:2])
    )
