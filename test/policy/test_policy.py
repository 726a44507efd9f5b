# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from onestep_vla_ros.core.errors import CheckpointError, ConfigError, ObservationError
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.checkpoint import load_checkpoint, save_checkpoint, save_decoding
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.policy import Effort, load_policy


@pytest.fixture
def folder(either, tmp_path):
    save_checkpoint(tmp_path / "checkpoint", either)
    return tmp_path / "checkpoint"


@pytest.fixture
def nano_folder(nano, tmp_path):
    save_checkpoint(tmp_path / "nano", nano)
    return tmp_path / "nano"


def _replace(obs, **changes):
    keys = ("images", "image_stamps_s", "q", "qd", "joint_stamp_s", "instruction")
    return Observation(**{key: changes.get(key, getattr(obs, key)) for key in keys})


def test_chunk_carries_the_stamp_of_the_oldest_part(folder, observation):
    chunk = load_policy(folder).infer(observation)
    assert chunk.stamp_s == 9.97
    assert chunk.period_s == 0.04
    assert chunk.q.shape == (5, 14)
    assert np.isfinite(chunk.q).all()
    assert chunk.q[:, [6, 13]].min() >= 0.0
    assert chunk.q[:, [6, 13]].max() <= 1.0


@pytest.mark.parametrize("noise", ["zero", "seeded", "mean_k"])
@pytest.mark.parametrize("steps", [1, 10])
def test_same_observation_gives_the_same_chunk(folder, observation, noise, steps):
    policy = load_policy(folder, steps=steps, noise=noise)
    policy.warm_up()
    first = policy.infer(observation).q
    assert np.array_equal(policy.infer(observation).q, first)
    assert np.array_equal(
        load_policy(folder, steps=steps, noise=noise).infer(observation).q, first
    )


def test_sampled_noise_differs_and_starts_again_with_the_seed(nano_folder, observation):
    policy = load_policy(nano_folder, noise="sampled", seed=7)
    policy.warm_up()
    first, second = (policy.infer(observation).q for _ in range(2))
    assert not np.array_equal(first, second)
    policy.reseed(7)
    assert np.array_equal(policy.infer(observation).q, first)


def test_picture_words_and_state_all_matter(folder, observation, other_observation):
    policy = load_policy(folder)
    before = policy.infer(observation).q
    for field in ("images", "instruction", "q"):
        changed = _replace(observation, **{field: getattr(other_observation, field)})
        assert not np.array_equal(policy.infer(changed).q, before)


def test_absent_and_wrong_sized_cameras_are_refused_by_name(nano_folder, observation):
    policy = load_policy(nano_folder)
    images = dict(observation.images)
    small = _replace(observation, images=images | {"top": np.zeros((24, 32, 3), np.uint8)})
    with pytest.raises(ObservationError, match=r"'top'.*24x32.*48x64"):
        policy.infer(small)
    del images["left_wrist"]
    absent = _replace(observation, images=images, image_stamps_s={"top": 1.0})
    with pytest.raises(ObservationError, match=r"'left_wrist'.*none"):
        policy.infer(absent)


def test_a_state_of_another_robot_is_refused_with_the_joints(nano_folder, observation):
    policy = load_policy(nano_folder)
    panda = _replace(observation, q=np.zeros(8), qd=np.zeros(8))
    with pytest.raises(ObservationError, match=r"got: 8 numbers; allowed: 14: left_joint1, .*"):
        policy.infer(panda)


def test_instruction_with_too_many_tokens_is_refused_not_cut(nano_folder, observation):
    with pytest.raises(ObservationError, match="too many tokens"):
        load_policy(nano_folder).infer(_replace(observation, instruction="äöü ß " * 40))


def test_an_odd_instruction_that_fits_is_answered(nano_folder, observation):
    load_policy(nano_folder).infer(_replace(observation, instruction="π 🦾 ?!"))


def test_text_cache_forgets_the_oldest(nano_folder, observation):
    policy = load_policy(nano_folder)
    for i in range(40):
        policy.infer(_replace(observation, instruction=f"do {i}"))
    assert len(policy._texts) == 32


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"steps": "auto"}, "no threshold .* --calibrate"),
        ({"steps": "few"}, "or 'auto'"),
        ({"steps": 0}, "whole number"),
        ({"noise": "pink"}, "mean_k"),
        ({"device": "toaster"}, "device 'toaster'"),
    ],
)
def test_bad_options_are_refused_with_what_is_allowed(nano_folder, options, match):
    with pytest.raises(ConfigError, match=match):
        load_policy(nano_folder, **options)


def test_missing_folder_is_a_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        load_policy(tmp_path / "none")


def test_description_names_contract_and_decoding(nano_folder):
    text = load_policy(nano_folder, steps=2).describe()
    for part in ("encoder nano", "steps=2", "top 48x64", "put the red cube", "no held-out table"):
        assert part in text


def test_latency_parts_are_reported(nano_folder, observation):
    policy = load_policy(nano_folder)
    assert policy.latency is None
    policy.infer(observation)
    assert min(policy.latency.prepare_s, policy.latency.encode_s, policy.latency.decode_s) > 0.0


def _calibrated(folder, threshold):
    calibration = Calibration(threshold, threshold / 2, 0.95, 1000)
    save_decoding(folder, Decoding(calibration=calibration))
    return folder


def test_effort_of_an_answer_is_told_and_its_ambiguity_only_when_asked_for(folder, observation):
    policy = load_policy(folder)
    assert policy.effort is None
    first = policy.infer(observation).q
    assert policy.effort == Effort(1, 1, None)
    measured = load_policy(folder, is_measured=True)
    assert np.array_equal(measured.infer(observation).q, first)
    assert (measured.effort.steps, measured.effort.evaluations) == (1, 2)
    assert measured.effort.ambiguity > 0.0
    measured.reseed(1)
    measured.infer(observation)
    assert measured.effort.evaluations == 2


def test_auto_answers_with_one_step_below_the_threshold_and_with_ten_above(folder, observation):
    one = load_policy(folder).infer(observation).q
    below = load_policy(_calibrated(folder, 100.0), steps="auto")
    assert np.array_equal(below.infer(observation).q, one)
    assert (below.effort.steps, below.effort.evaluations) == (1, 2)
    above = load_policy(_calibrated(folder, 0.0), steps="auto", seed=5)
    above.warm_up()
    chunks = [above.infer(observation).q for _ in range(2)]
    assert (above.effort.steps, above.effort.evaluations) == (10, 12)
    ten = load_policy(folder, steps=10, noise="sampled", seed=5)
    assert np.array_equal(chunks, [ten.infer(observation).q for _ in range(2)])


def test_description_tells_whether_auto_is_offered(nano_folder):
    assert "auto is not offered" in load_policy(nano_folder).describe()
    text = load_policy(_calibrated(nano_folder, 0.25)).describe()
    assert "auto takes 10 above a gap of 0.25: 95% of 1000 frames are below" in text


def test_noise_leak_is_that_of_the_held_out_table(nano, tmp_path):
    rows = [
        {"steps": k, "noise": n, "arm_rad": 0.1, "gripper": 0.1, "noise_leak": 0.01 * k}
        for k in (10, 1)
        for n in ("zero", "sampled")
    ]
    save_checkpoint(tmp_path / "c", dataclasses.replace(nano, held_out={"rows": rows}))
    assert load_policy(tmp_path / "c").noise_leak == 0.01


def test_without_a_held_out_table_no_noise_leak_is_known(nano_folder):
    assert load_policy(nano_folder).noise_leak is None
    assert load_checkpoint(nano_folder).decoding.calibration is None
