# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from transformers import PaliGemmaModel

from onestep_vla_ros.core.errors import CheckpointError, ConfigError
from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel


def test_direct_calls_equal_the_forward_pass_of_transformers(vlm):
    encoder = vlm.model.encoder
    images = {
        name: torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8) for name in encoder.cameras
    }
    words = torch.tensor([[4, 8, 15, 16]])
    mask = torch.ones_like(words, dtype=torch.bool)
    with torch.inference_mode():
        ours = encoder.encode(images, Text(words, mask), torch.zeros(1, 14)).tokens[:, :-1]
        pixels = torch.cat([images[name] for name in encoder.cameras]) / 127.5 - 1.0
        ids = torch.cat([torch.full((1, 2 * 16), 300), words], dim=1)
        theirs = encoder.backbone(
            input_ids=ids,
            pixel_values=pixels,
            attention_mask=torch.ones_like(ids),
            token_type_ids=torch.zeros_like(ids),
        ).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_backbone_weights_come_from_a_local_folder(vlm, tmp_path):
    torch.manual_seed(99)
    other = PaliGemmaModel(vlm.model.encoder.backbone.config)
    other.save_pretrained(tmp_path / "backbone")
    model = OneStepModel(vlm.model.config)
    model.encoder.load_pretrained(tmp_path / "backbone")
    wanted, got = other.state_dict(), model.encoder.backbone.state_dict()
    assert all(torch.equal(got[name], wanted[name]) for name in wanted)


def test_missing_backbone_folder_is_one_clear_error(vlm, tmp_path):
    with pytest.raises(CheckpointError, match="backbone folder"):
        vlm.model.encoder.load_pretrained(tmp_path / "nothing")


def test_images_of_another_size_than_the_tower_reads_are_refused(vlm):
    data = copy.deepcopy(vlm.model.config.to_json())
    data["cameras"]["top"] = [24, 32]
    data["encoder"]["dtype"] = "float8"
    with pytest.raises(ConfigError, match="dtype"):
        ModelConfig.from_json(data)
    data["encoder"]["dtype"] = "float32"
    with pytest.raises(ConfigError, match="32x32"):
        ModelConfig.from_json(data)
