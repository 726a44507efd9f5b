# SPDX-License-Identifier: Apache-2.0
"""Our pi0 against transformers' `PI0ForConditionalGeneration`, the same weights in both."""

import copy

import pytest
import torch
from pi0_peers import EDGE, HORIZON, VOCABULARY, WIDTH, random_pi0

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.foreign.weights import renamed, sizes
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel

CAMERAS = ("one", "two")
PATCHES = (EDGE // 14) ** 2


@pytest.fixture(scope="module")
def theirs():
    return random_pi0()


def architecture(weights, **head):
    model, expert = sizes(weights)
    return {
        "encoder": {
            "kind": "pi0",
            "model": model,
            "dtype": "float32",
            "max_tokens": 48,
            "fit": "smooth",
        },
        "head": {
            "horizon": HORIZON,
            "dof": WIDTH,
            "used": 7,
            "state": WIDTH,
            "expert": expert,
            "dtype": "float32",
            "min_period": 4e-3,
            "max_period": 4.0,
            "time": "float32",
            **head,
        },
        "cameras": {name: [EDGE, EDGE] for name in CAMERAS},
        "state_dof": 8,
    }


@pytest.fixture(scope="module")
def ours(theirs):
    weights = renamed(theirs.state_dict())
    model = OneStepModel(ModelConfig.from_json(architecture(weights))).eval()
    model.load_state_dict(weights)
    return model


@pytest.fixture(scope="module")
def batch():
    """Two observations whose instructions differ in length."""
    torch.manual_seed(1)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, 4:] = False
    return {
        "images": torch.randint(0, 256, (2, 2, 3, EDGE, EDGE), dtype=torch.uint8),
        "words": torch.randint(3, 300, (2, 6)) * mask,
        "mask": mask,
        "state": torch.randn(2, 8),
        "noise": torch.randn(2, HORIZON, WIDTH),
    }


def our_flow(model, batch):
    images = {name: batch["images"][:, i] for i, name in enumerate(CAMERAS)}
    context = model.encode(images, Text(batch["words"], batch["mask"]), batch["state"])
    return model.head.flow(model.head.prepare(context))


def their_chunk(model, batch, steps):
    size = len(batch["words"])
    seen = torch.full((size, 2 * PATCHES), VOCABULARY - 1)
    return model.sample_actions(
        state=torch.nn.functional.pad(batch["state"], (0, WIDTH - 8)),
        input_ids=torch.cat([seen, batch["words"]], dim=1),
        attention_mask=torch.cat([torch.ones_like(seen), batch["mask"].long()], dim=1),
        pixel_values=batch["images"] / 127.5 - 1.0,
        pixel_attention_mask=torch.ones(size, 2, dtype=torch.bool),
        noise=batch["noise"],
        num_steps=steps,
    )


@pytest.mark.parametrize("steps", [1, 2, 10])
@torch.inference_mode()
def test_chunks_equal_those_of_transformers(ours, theirs, batch, steps):
    wanted = their_chunk(theirs, batch, steps)
    got = euler(our_flow(ours, batch), batch["noise"].unsqueeze(1), steps).squeeze(1)
    assert wanted.std() > 0.3
    assert (got - wanted).abs().max() < 1e-5


@torch.inference_mode()
def test_draws_of_one_observation_do_not_see_each_other(ours, batch):
    flow = our_flow(ours, batch)
    draws = torch.randn(2, 3, HORIZON, WIDTH)
    tau = torch.tensor([[1.0, 0.5, 0.1], [0.9, 0.4, 1.0]])
    together = flow(draws, tau)
    alone = torch.cat([flow(draws[:, i : i + 1], tau[:, i : i + 1]) for i in range(3)], dim=1)
    assert (together - alone).abs().max() < 1e-5


@torch.inference_mode()
def test_a_level_for_each_waypoint_is_read_as_such(ours, batch):
    flow = our_flow(ours, batch)
    x, tau = batch["noise"].unsqueeze(1), torch.full((2, 1), 0.7)
    each = tau.unsqueeze(-1).repeat(1, 1, HORIZON)
    assert torch.equal(flow(x, tau), flow(x, each))
    each[..., 0] = 0.0
    assert (flow(x, tau) - flow(x, each)).abs().max() > 1e-3


@torch.inference_mode()
def test_a_camera_more_changes_the_chunk_and_a_masked_one_has_no_tokens(ours, theirs, batch):
    one = copy.deepcopy(ours)
    one.encoder.cameras = CAMERAS[:1]
    got = euler(our_flow(one, batch), batch["noise"].unsqueeze(1), 1).squeeze(1)
    seen = torch.full((2, PATCHES), VOCABULARY - 1)
    wanted = theirs.sample_actions(
        state=torch.nn.functional.pad(batch["state"], (0, WIDTH - 8)),
        input_ids=torch.cat([seen, batch["words"]], dim=1),
        attention_mask=torch.cat([torch.ones_like(seen), batch["mask"].long()], dim=1),
        pixel_values=batch["images"] / 127.5 - 1.0,
        pixel_attention_mask=torch.tensor([[True, False]] * 2),
        noise=batch["noise"],
        num_steps=1,
    )
    assert (got - wanted).abs().max() < 1e-5
    assert (got - their_chunk(theirs, batch, 1)).abs().max() > 1e-3


@torch.inference_mode()
def test_bfloat16_stays_near_float32(ours, batch):
    data = ours.config.to_json()
    data["encoder"]["dtype"] = data["head"]["dtype"] = "bfloat16"
    half = OneStepModel(ModelConfig.from_json(data)).eval()
    half.load_state_dict(ours.state_dict())
    assert half.encoder.backbone.dtype == half.head.expert.dtype == torch.bfloat16
    noise = batch["noise"].unsqueeze(1)
    wide, narrow = (euler(our_flow(m, batch), noise, 2) for m in (ours, half))
    assert narrow.dtype == torch.float32
    assert 0 < (wide - narrow).abs().max() < 0.1 * wide.std()


def test_expert_that_does_not_fit_the_language_layers_is_refused(theirs):
    weights = renamed(theirs.state_dict())
    data = architecture(weights, used=WIDTH + 1, time="float16")
    with pytest.raises(ConfigError, match=r"(?s)time.*used"):
        ModelConfig.from_json(data)
    data = architecture(weights)
    data["head"]["expert"] |= {"num_hidden_layers": 2, "head_dim": 8}
    with pytest.raises(ConfigError, match=r"(?s)num_hidden_layers: got: 2.*head_dim: got: 8"):
        ModelConfig.from_json(data)
    data["encoder"]["model"]["projection_dim"] = 7
    with pytest.raises(ConfigError, match="projection 7"):
        ModelConfig.from_json(data)
