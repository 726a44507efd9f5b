# SPDX-License-Identifier: Apache-2.0
"""A folder that cannot become a checkpoint is refused with every reason, and what to do."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from pi0_peers import (
    HORIZON,
    SENTENCE,
    random_pi0,
    recorded,
    recorded_weights,
    sheet,
    statistics,
    write_lerobot,
    write_openpi,
    write_tokenizer,
    write_transformers,
)
from transformers import PI0Config, PI0ForConditionalGeneration

from onestep_vla_ros.cli import main
from onestep_vla_ros.core.embodiment import BIMANUAL_YAM
from onestep_vla_ros.core.errors import CheckpointError, ConfigError
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.policy.checkpoint import save_checkpoint
from onestep_vla_ros.policy.foreign.affine import lerobot_affine, openpi_affine
from onestep_vla_ros.policy.foreign.conversion import converted
from onestep_vla_ros.policy.foreign.opening import open_source
from onestep_vla_ros.policy.foreign.openpi import IMAGES
from onestep_vla_ros.policy.foreign.prompt import read_tokenizer
from onestep_vla_ros.policy.foreign.sheet import read_sheet
from onestep_vla_ros.policy.foreign.weights import our_name, renamed, sizes
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.policy import load_policy

OPENPI, LEROBOT = ("base_0_rgb", "left_wrist_0_rgb"), ("agent", "wrist")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One folder of each project."""
    root = tmp_path_factory.mktemp("written")
    write_lerobot(root / "lerobot", "relative")
    write_openpi(root / "openpi")
    write_transformers(root / "transformers", random_pi0(), 8, 7)
    return root


@pytest.fixture
def lerobot(written, tmp_path):
    return shutil.copytree(written / "lerobot", tmp_path / "lerobot")


@pytest.fixture
def openpi(written, tmp_path):
    return shutil.copytree(written / "openpi", tmp_path / "openpi")


@pytest.fixture
def transformers(written, tmp_path):
    return shutil.copytree(written / "transformers", tmp_path / "transformers")


def refused(folder, *parts, robot=None):
    with pytest.raises(CheckpointError) as caught:
        open_source(folder, read_sheet(robot or sheet(OPENPI)))
    for part in parts:
        assert part in str(caught.value)


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def reweigh(folder, change):
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("kind", ["smolvla", "act", "groot", "pi05", "pi0_fast", "diffusion"])
def test_other_lerobot_policies_are_named_and_what_is_supported(tmp_path, kind):
    (tmp_path / "config.json").write_text(json.dumps({"type": kind}))
    refused(tmp_path, f"LeRobot policy of type '{kind}'", "pi0 folder of LeRobot", "openpi")


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"model_type": "smolvlm"}, "transformers model of type 'smolvlm'"),
        ({"format": "onestep-vla-checkpoint/0"}, "one of our own checkpoints"),
        ({"width": 3}, "['width']"),
    ],
)
def test_folders_of_something_else_are_named(tmp_path, config, named):
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused(tmp_path, named, "allowed")


def test_missing_and_empty_folders_are_refused(tmp_path):
    refused(tmp_path / "nothing", "missing")
    refused(tmp_path, "no config.json and no model.safetensors")


def test_jax_folders_are_told_which_conversion_comes_first(tmp_path):
    (tmp_path / "params").mkdir()
    (tmp_path / "assets").mkdir()
    refused(tmp_path, "JAX", "convert_jax_model_to_pytorch.py", "checkpoints.md")


def test_pickled_weights_are_not_opened(openpi, tmp_path):
    trap = tmp_path / "touched"

    class Touch:
        def __reduce__(self):
            return open, (str(trap), "w")

    (openpi / "model.safetensors").write_bytes(pickle.dumps(Touch()))
    refused(openpi, "model.safetensors", "no pickle is opened")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("time_mlp_in.weight", "pi0.5"),
        (
            "paligemma_with_expert.gemma_expert.model.layers.0.input_layernorm.dense.weight",
            "pi0.5",
        ),
        ("model.paligemma_with_expert.base_model.lora_A.weight", "LoRA"),
        ("normalize_inputs.buffer_observation_state.mean", "before 0.4"),
    ],
)
def test_relatives_of_pi0_are_recognised(openpi, name, what):
    reweigh(openpi, lambda tensors: tensors.update({name: torch.zeros(2)}))
    refused(openpi, what, name)


def test_unknown_and_missing_tensors_are_all_listed(openpi):
    def change(tensors):
        tensors["stranger"] = torch.zeros(2)
        tensors["other.stranger"] = torch.zeros(2)

    reweigh(openpi, change)
    refused(openpi, "2 faults", "\n  - stranger: unknown", "\n  - other.stranger: unknown")


def test_weights_that_do_not_fit_the_sizes_are_all_listed(openpi):
    prefix = "paligemma_with_expert.gemma_expert.model."

    def change(tensors):
        tensors.pop(f"{prefix}norm.weight")
        tensors[f"{prefix}layers.1.mlp.up_proj.weight"] = torch.zeros(3, 4)
        tensors["action_in_proj.bias"][3] = torch.nan

    reweigh(openpi, change)
    robot = read_sheet(sheet(OPENPI))
    with pytest.raises(CheckpointError) as caught:
        converted(open_source(openpi, robot), robot, openpi)
    for part in (
        "3 faults",
        "head.expert.norm.weight: missing",
        "layers.1.mlp.up_proj.weight: got: [3, 4]; allowed: [40, 48]",
        "head.action_in_proj.bias: holds NaN",
    ):
        assert part in str(caught.value)


def test_a_tensor_that_tells_a_size_is_missed(openpi):
    reweigh(openpi, lambda tensors: tensors.pop("state_proj.weight"))
    refused(openpi, "head.state_proj.weight: missing")


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(CheckpointError, match="already"):
        renamed({"state_proj.bias": torch.zeros(2), "model.state_proj.bias": torch.ones(2)})


def test_embedding_wins_over_the_language_head_as_in_lerobot():
    name = "model.paligemma_with_expert.paligemma."
    head, words = torch.zeros(2), torch.ones(2)
    both = {
        f"{name}lm_head.weight": head,
        f"{name}model.language_model.embed_tokens.weight": words,
    }
    assert list(renamed(both).values())[0] is words
    assert list(renamed({f"{name}lm_head.weight": head}).values())[0] is head


def test_what_nobody_reads_is_left_out():
    assert our_name("model.paligemma_with_expert.gemma_expert.lm_head.weight") == ""
    assert our_name("model.dit.embed_tokens.weight") == ""
    assert (
        our_name("paligemma_with_expert.paligemma.model.vision_tower.vision_model.head.probe")
        == ""
    )


@pytest.mark.parametrize("project", ["lerobot", "openpi"])
def test_sizes_are_read_off_the_shapes(project):
    model, expert = sizes(renamed(recorded_weights(recorded(project)["tensors"])))
    own = random_pi0().config
    vision, text = own.vlm_config.vision_config, own.vlm_config.text_config
    for found, wanted in (
        (model["text_config"], text),
        (model["vision_config"], vision),
        (expert, own.dit_config),
    ):
        assert {k: v for k, v in found.items() if getattr(wanted, k) != v} == {}


def test_the_real_pi0_fits_without_a_tensor_more_or_less():
    with torch.device("meta"):
        theirs = renamed(PI0ForConditionalGeneration(PI0Config()).state_dict())
    model, expert = sizes(theirs)
    large = {"dtype": "bfloat16"}
    config = ModelConfig.from_json(
        {
            "encoder": {"kind": "pi0", "model": model, "max_tokens": 48, "fit": "smooth", **large},
            "head": {
                **{"horizon": 50, "dof": 32, "used": 14, "state": 32, "expert": expert, **large},
                **{"min_period": 4e-3, "max_period": 4.0, "time": "float64"},
            },
            "cameras": {"top": [480, 640]},
        }
    )
    with torch.device("meta"):
        ours = OneStepModel(config).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_lerobot_documents_have_all_their_faults_listed(lerobot):
    def before(data):
        data["steps"][2] = {"registry_name": "crop_processor", "config": {}}
        data["steps"][6]["config"]["norm_map"]["STATE"] = "LOG"

    edit(lerobot / "policy_preprocessor.json", before)
    (lerobot / "policy_postprocessor.json").unlink()
    edit(lerobot / "config.json", lambda d: d["normalization_mapping"].update(VISUAL="MEAN_STD"))
    edit(lerobot / "config.json", lambda d: d.update(chunk_size=0))
    refused(
        lerobot,
        "step crop_processor: unknown",
        "migrate_policy_normalization",
        "observation.state: normalisation: got: 'LOG'",
        "action: no statistics",
        "VISUAL: got: MEAN_STD",
        "chunk_size: got: 0",
    )


def test_lerobot_base_model_without_statistics_is_refused(lerobot):
    path = lerobot / "policy_preprocessor_step_6_normalizer_processor.safetensors"
    safetensors.torch.save_file({"action.mean": torch.zeros(7)}, path)
    refused(lerobot, "observation.state.mean: missing", "observation.state.std: missing")
    edit(lerobot / "policy_preprocessor.json", lambda d: d["steps"][6].pop("state_file"))
    refused(lerobot, "no statistics", "fine-tune")


def test_state_file_outside_the_folder_is_not_read(lerobot):
    def change(data):
        data["steps"][6]["state_file"] = "../stolen.safetensors"

    safetensors.torch.save_file(
        {"observation.state.mean": torch.zeros(8)}, lerobot / "../stolen.safetensors"
    )
    edit(lerobot / "policy_preprocessor.json", change)
    refused(lerobot, f"file {lerobot / 'stolen.safetensors'} is missing")


def test_openpi_folder_without_horizon_or_with_two_assets_asks_for_them(openpi):
    (openpi / "config.json").unlink()
    shutil.copytree(openpi / "assets" / "robot", openpi / "assets" / "other" / "arm")
    refused(openpi, "give `horizon`", "['other/arm', 'robot']", "give `asset`")
    robot = sheet(OPENPI, asset="other/arm", horizon=HORIZON)
    assert open_source(openpi, read_sheet(robot)).horizon == HORIZON


def test_openpi_statistics_are_checked(openpi):
    def change(data):
        data["norm_stats"]["state"].pop("std")
        data["norm_stats"]["actions"]["mean"] = [1.0, "x"]

    edit(openpi / "assets" / "robot" / "norm_stats.json", change)
    refused(openpi, "state.std: missing", "actions.mean: got: list")


def test_transformers_folder_with_missing_weights_is_not_filled_in(transformers):
    reweigh(transformers, lambda tensors: tensors.pop("action_out_proj.bias"))
    refused(transformers, "action_out_proj.bias: missing")


def test_transformers_folder_without_statistics_is_refused(transformers):
    edit(transformers / "processor_config.json", lambda d: d.update(state_mean=None))
    refused(transformers, "processor_config.json: state.mean", "save it here again")


def test_robot_that_is_not_the_policys_is_refused_with_every_reason(written):
    robot = sheet(("agent", "elbow"), relative=["nose"], start_low=[0.0], start_high=[1.0])
    robot["embodiment"] = "bimanual_yam"
    with pytest.raises(CheckpointError) as caught:
        converted(open_source(written / "lerobot", read_sheet(robot)), read_sheet(robot))
    for part in (
        "state: got: 8 entries; allowed: 14",
        "action: got: 7 entries; allowed: 14",
        "start_low: got: 1",
        "relative: got: 'nose'",
        "this folder says it",
        "image: got: 'elbow'; allowed: ['agent', 'wrist']",
    ):
        assert part in str(caught.value)


def test_one_image_for_two_cameras_is_refused(written):
    robot = read_sheet(sheet(("agent", "agent")))
    with pytest.raises(CheckpointError, match="each once"):
        converted(open_source(written / "lerobot", robot), robot)


def test_unknown_embodiment_is_refused(written):
    robot = read_sheet(sheet(OPENPI, embodiment="octopus"))
    with pytest.raises(CheckpointError, match=r"octopus.*bimanual_yam.*libero_panda"):
        converted(open_source(written / "openpi", robot), robot)


def test_faults_of_a_sheet_are_all_listed():
    bad = sheet(OPENPI, period_s=7, instruction_examples=[], start_low=[2.0] * 8, speed=1)
    bad["cameras"]["agent"] = {"image": "base_0_rgb", "height": 3, "width": 30}
    with pytest.raises(ConfigError) as caught:
        read_sheet(bad)
    for part in (
        "speed: unknown",
        "period_s",
        "instruction_examples",
        "start_low",
        "cameras.agent",
    ):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match="cameras: got: none"):
        read_sheet(sheet(OPENPI, cameras={}))


def test_the_sheet_in_the_documentation_is_one():
    page = Path(__file__).parents[2] / "resource" / "pages" / "checkpoints.md"
    (block,) = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    robot = read_sheet(yaml.safe_load(block))
    assert robot.embodiment == BIMANUAL_YAM.robot_type
    assert len(robot.start_low) == len(robot.start_high) == len(BIMANUAL_YAM.state_names)
    assert set(robot.relative) <= set(BIMANUAL_YAM.action_names)
    assert {camera["image"] for camera in robot.cameras.values()} == set(IMAGES)


def test_the_command_says_no_in_one_message(tmp_path, capsys):
    (tmp_path / "params").mkdir()
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(sheet(OPENPI)))
    call = [
        "convert",
        str(tmp_path),
        str(tmp_path / "out"),
        "--robot",
        str(tmp_path / "robot.yaml"),
    ]
    assert main(call) == 2
    assert "onestep-vla convert: folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_missing_tokenizer_names_the_option(written):
    robot = read_sheet(sheet(OPENPI))
    with pytest.raises(CheckpointError, match="--tokenizer FOLDER"):
        converted(open_source(written / "openpi", robot), robot)


def test_tokenizer_of_another_family_is_refused(tmp_path):
    write_tokenizer(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace("<bos>", "<s>"))
    with pytest.raises(CheckpointError, match="not PaliGemma's"):
        read_tokenizer(tmp_path, 320, is_tidied=False)
    path.write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tokenizer(tmp_path, 320, is_tidied=False)


def test_added_tokens_beyond_the_vocabulary_are_left_out(tmp_path):
    write_tokenizer(tmp_path)
    known = json.loads((tmp_path / "tokenizer.json").read_text())["added_tokens"][-1]["id"]
    assert "<image>" not in read_tokenizer(tmp_path, known, is_tidied=False).get_vocab()
    assert read_tokenizer(tmp_path, known + 1, is_tidied=False).get_vocab()["<image>"] == known


def test_entry_that_never_moved_keeps_its_place():
    still = {"mean": [0.4], "std": [0.0], "min": [0.4], "max": [0.4], "q01": [0.4], "q99": [0.4]}
    for affine in (
        lerobot_affine(still, "MEAN_STD", 1e-8, is_action=True),
        lerobot_affine(still, "MIN_MAX", 1e-8, is_action=True),
        openpi_affine(still, is_quantile=True),
        openpi_affine(still, is_quantile=False),
    ):
        assert affine.scale[0] > 0
        assert np.allclose(3.0 * affine.scale + affine.offset, 0.4, atol=1e-5)


def test_two_arms_drive_an_imported_policy(tmp_path):
    write_transformers(tmp_path / "theirs", random_pi0(), 14, 14)
    names = ("top", "left_wrist", "right_wrist")
    camera = {"image": "any", "height": 20, "width": 30}
    robot = read_sheet(
        {
            "embodiment": "bimanual_yam",
            "cameras": dict.fromkeys(names, camera),
            "period_s": 0.02,
            "instruction_examples": [SENTENCE],
            "start_low": [0.0] * 14,
            "start_high": [0.5] * 14,
            "relative": list(BIMANUAL_YAM.action_names[:3]),
        }
    )
    save_checkpoint(tmp_path / "ours", converted(open_source(tmp_path / "theirs", robot), robot))
    policy = load_policy(tmp_path / "ours", steps=1, noise="zero")
    images = dict.fromkeys(names, np.zeros((20, 30, 3), np.uint8))
    stamps, q = dict.fromkeys(names, 0.0), np.linspace(0.1, 0.9, 14)
    policy.warm_up()
    chunk = policy.infer(Observation(images, stamps, q, np.zeros(14), 0.0, SENTENCE))
    assert chunk.q.shape == (HORIZON, 14)
    assert policy.checkpoint.normalizer.relative == (0, 1, 2)
    assert chunk.q[:, [6, 13]].min() >= 0.0
    assert statistics(14, 2)["mean"][13] != chunk.q[0, 13]
