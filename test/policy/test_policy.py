# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.core.errors import CheckpointError, ConfigError, ObservationError
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.policy.checkpoint import save_checkpoint
from onestep_vla_ros.policy.policy import load_policy


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
        ({"steps": "auto"}, "not offered yet"),
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
