# SPDX-License-Identifier: Apache-2.0
"""What `onestep-vla convert` makes of a foreign folder answers as its own project does."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from pi0_peers import (
    HORIZON,
    SENTENCE,
    VOCABULARY,
    WIDTH,
    observation,
    random_pi0,
    recorded,
    sheet,
    statistics,
    write_lerobot,
    write_openpi,
    write_tokenizer,
    write_transformers,
)

from onestep_vla_ros.cli import main
from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.checkpoint import load_checkpoint, save_decoding
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.letterbox import letterbox
from onestep_vla_ros.policy.policy import load_policy

OPENPI = ("base_0_rgb", "left_wrist_0_rgb")
LEROBOT = ("agent", "wrist")


def convert(folder, robot, *more):
    """Run the command on the folder `theirs` beside `tok`; return the checkpoint it wrote."""
    (folder / "robot.yaml").write_text(yaml.safe_dump(robot, sort_keys=False))
    write_tokenizer(folder / "tok")
    arguments = ["--robot", str(folder / "robot.yaml"), "--tokenizer", str(folder / "tok"), *more]
    assert main(["convert", str(folder / "theirs"), str(folder / "ours"), *arguments]) == 0
    return folder / "ours"


def assert_same(checkpoint, chunks, within=1e-5):
    """Compare the recorded chunks, which know no range, with those of the checkpoint."""
    for key, wanted in chunks.items():
        noise = key.rstrip("0123456789")
        policy = load_policy(checkpoint, steps=int(key[len(noise) :]), noise=noise, seed=0)
        got = policy.infer(observation()).q
        assert np.std(wanted) > 0.3
        assert np.abs(got - LIBERO_PANDA.clip(np.array(wanted))).max() < within, key


@pytest.mark.parametrize("case", ["relative", "QUANTILES"])
def test_lerobot_folder_answers_as_lerobot_did(tmp_path, case):
    write_lerobot(tmp_path / "theirs", case)
    checkpoint = convert(tmp_path, sheet(LEROBOT))
    # times in float32 instead of float64 would be off by 4e-6
    assert_same(checkpoint, recorded("lerobot")["cases"][case]["chunks"], within=2e-6)
    relative = load_checkpoint(checkpoint).normalizer.relative
    assert relative == ((0, 1, 2, 3, 4, 5) if case == "relative" else ())


@pytest.mark.parametrize("case", ["mean_std", "quantiles"])
def test_openpi_folder_answers_as_openpi_did(tmp_path, case):
    write_openpi(tmp_path / "theirs")
    checkpoint = convert(tmp_path, sheet(OPENPI, statistics=case))
    assert_same(checkpoint, recorded("openpi")["cases"][case]["chunks"])


@pytest.fixture(scope="module")
def original():
    return random_pi0()


@pytest.fixture(scope="module")
def converted(original, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformers")
    write_transformers(folder / "theirs", original, 8, 7)
    return convert(folder, sheet(("any", "names")))


def their_answer(model, steps, noise):
    """Return what transformers says, by its model and by the sums that its processor does."""
    seen = observation()
    images = [torch.from_numpy(np.array(i)).permute(2, 0, 1)[None] for i in seen.images.values()]
    pixels = torch.cat([letterbox(image, 28, "corner") for image in images])[None]
    words = torch.tensor([[VOCABULARY - 1] * 8 + prompt_ids()])
    state, action = statistics(8, 1), statistics(7, 2)
    q = (seen.q - state["mean"]) / (np.array(state["std"]) + 1e-8)
    with torch.inference_mode():
        x = model.sample_actions(
            state=torch.nn.functional.pad(torch.tensor(q).float()[None], (0, WIDTH - 8)),
            input_ids=words,
            attention_mask=torch.ones_like(words),
            pixel_values=pixels,
            pixel_attention_mask=torch.ones(1, 2, dtype=torch.bool),
            noise=noise,
            num_steps=steps,
        )
    chunk = x[0, :, :7].double().numpy() * action["std"] + action["mean"]
    return LIBERO_PANDA.clip(chunk)


def prompt_ids():
    """Return <bos>, the sentence and the line break as LeRobot's tokenizer step gave them."""
    return [2, 275, 261, 274, 276, 272, 261, 277, 201]


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_transformers_folder_answers_as_transformers_does(original, converted, steps):
    noise = torch.randn((1, HORIZON, WIDTH), generator=torch.Generator().manual_seed(4))
    wanted = their_answer(original, steps, noise)
    got = load_policy(converted, steps=steps, noise="seeded", seed=4).infer(observation()).q
    assert np.abs(got - wanted).max() < 1e-5


def test_prompt_is_the_one_of_the_projects(converted):
    assert load_checkpoint(converted).tokenizer.encode(SENTENCE) == prompt_ids()


def test_openpi_prompt_has_blanks_for_underscores(tmp_path, converted):
    write_openpi(tmp_path / "theirs")
    tidy = load_checkpoint(convert(tmp_path, sheet(OPENPI))).tokenizer
    strange = SENTENCE.replace(" ", "_")
    assert tidy.encode(strange) == prompt_ids()
    assert load_checkpoint(converted).tokenizer.encode(strange) != prompt_ids()


@pytest.mark.parametrize("noise", ["zero", "seeded", "sampled", "mean_k"])
def test_our_decoder_runs_every_noise(converted, noise):
    policy = load_policy(converted, steps=1, noise=noise)
    first, second = policy.infer(observation()).q, policy.infer(observation()).q
    assert first.shape == (HORIZON, 7)
    assert np.array_equal(first, second) == (noise != "sampled")


def test_auto_takes_more_steps_above_its_threshold(converted, tmp_path):
    copy = shutil.copytree(converted, tmp_path / "copy")
    with pytest.raises(ConfigError, match="no threshold"):
        load_policy(copy, steps="auto")
    for threshold, steps in ((0.0, 10), (1e9, 1)):
        save_decoding(copy, Decoding("auto", "zero", 0, Calibration(threshold, 0.0, 0.9, 9)))
        policy = load_policy(copy)
        policy.infer(observation())
        assert policy.effort.steps == steps


def test_decoding_is_that_of_the_project_until_said_otherwise(tmp_path):
    write_openpi(tmp_path / "theirs")
    decoding = load_checkpoint(convert(tmp_path, sheet(OPENPI))).decoding
    assert (decoding.steps, decoding.noise) == (10, "sampled")


def test_cameras_take_the_order_of_the_policy(tmp_path):
    write_openpi(tmp_path / "theirs")
    robot = sheet(OPENPI)
    robot["cameras"] = dict(reversed(robot["cameras"].items()))
    checkpoint = convert(tmp_path, robot)
    assert [c.name for c in load_checkpoint(checkpoint).contract.cameras] == ["agent", "wrist"]
    assert_same(checkpoint, recorded("openpi")["cases"]["mean_std"]["chunks"])


def test_actions_that_the_sheet_calls_relative_start_at_the_state(tmp_path):
    write_openpi(tmp_path / "theirs")
    absolute = load_policy(convert(tmp_path, sheet(OPENPI)), steps=1, noise="zero")
    delta = load_policy(convert(tmp_path, sheet(OPENPI, relative=["dz"])), steps=1, noise="zero")
    x = torch.zeros(1, HORIZON, WIDTH)
    q = torch.tensor(observation().q).float()[None]
    moved = delta.checkpoint.normalizer.decode_action(x, q)
    moved -= absolute.checkpoint.normalizer.decode_action(x, q)
    assert torch.allclose(moved[0, :, 2], q[0, 2].expand(HORIZON))
    assert not moved[0, :, [0, 1, 3, 4, 5, 6]].any()


def test_bfloat16_weights_are_kept_and_can_be_asked_for(tmp_path):
    write_openpi(tmp_path / "theirs")
    weights = load_checkpoint(convert(tmp_path, sheet(OPENPI), "--dtype", "bfloat16")).model
    assert weights.encoder.backbone.dtype == weights.head.expert.dtype == torch.bfloat16
    assert weights.head.action_in_proj.weight.dtype == torch.float32
    policy = load_policy(tmp_path / "ours", steps=1, noise="zero")
    wanted = np.array(recorded("openpi")["cases"]["mean_std"]["chunks"]["zero1"])
    assert 0 < np.abs(policy.infer(observation()).q - LIBERO_PANDA.clip(wanted)).max() < 0.1


def test_horizon_comes_from_the_sheet_where_the_folder_is_silent(tmp_path):
    write_openpi(tmp_path / "theirs")
    (tmp_path / "theirs" / "config.json").unlink()
    checkpoint = convert(tmp_path, sheet(OPENPI, horizon=HORIZON))
    assert_same(checkpoint, recorded("openpi")["cases"]["mean_std"]["chunks"])


def test_statistics_padded_beyond_the_robot_are_cut_for_openpi(tmp_path):
    write_openpi(tmp_path / "theirs")
    path = tmp_path / "theirs" / "assets" / "robot" / "norm_stats.json"
    data = json.loads(path.read_text())
    for part in data["norm_stats"].values():
        for numbers in part.values():
            numbers += [0.0] * (WIDTH - len(numbers))
    path.write_text(json.dumps(data))
    assert_same(
        convert(tmp_path, sheet(OPENPI)), recorded("openpi")["cases"]["mean_std"]["chunks"]
    )
