# SPDX-License-Identifier: Apache-2.0
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from tiny_demos import SIZES, make_config, write_dataset
from transformers import PaliGemmaConfig, PaliGemmaModel

from onestep_vla_ros.core.errors import CheckpointError, ConfigError, DatasetError
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.policy.checkpoint import load_checkpoint
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.policy.tokenizer import train_tokenizer
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.train_config import TrainConfig
from onestep_vla_ros.train.trainer import export, load_train_config, train

ROOT = Path(__file__).resolve().parents[2]


def _weights(out):
    return safetensors.torch.load_file(out / "checkpoint" / "model.safetensors")


def _same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_a_tiny_set_and_ships_the_table(demos, tmp_path):
    config = make_config(max_steps=250, batch=16, colour_jitter=0.05)
    result = train(config, [demos], tmp_path / "out")
    rows = {(row["steps"], row["noise"]): row for row in result.rows}
    assert result.is_finished
    assert set(rows) == {(k, n) for k in (1, 2, 5, 10) for n in ("zero", "sampled")}
    policy = load_policy(tmp_path / "out" / "checkpoint")
    assert policy.checkpoint.held_out["rows"] == list(result.rows)
    assert policy.checkpoint.held_out["is_held_out"] is True
    log = (tmp_path / "out" / "log.csv").read_text().splitlines()
    first, last = (float(line.split(",")[2]) for line in (log[1], log[-1]))
    assert last < 0.5 * first
    assert (tmp_path / "out" / "loss.png").stat().st_size > 1000
    assert _error(policy, demos) < 0.06  # the square lies anywhere in 0.1 .. 0.9


def _error(policy, folder):
    """Return the mean error of the chunks of training frames, at native size."""
    data = open_dataset([folder], 6, {c: (2 * h, 2 * w) for c, (h, w) in SIZES.items()})
    errors = []
    for row in range(4, len(data.q), 12):
        images = {name: data.images[name][row] for name in SIZES}
        sentence = data.instructions[data.text[row]]
        stamps = dict.fromkeys(images, 0.0)
        obs = Observation(images, stamps, data.q[row], np.zeros(14), 0.0, sentence)
        errors.append(np.abs(policy.infer(obs).q - data.action[row]).mean())
    return np.mean(errors)


def test_interrupted_run_ends_with_the_same_bits(demos, tmp_path):
    config = make_config(shift_px=2, colour_jitter=0.1)
    train(config, [demos], tmp_path / "whole")
    train(dataclasses.replace(config, max_steps=12, save_every=5), [demos], tmp_path / "parts")
    os.remove(tmp_path / "parts" / "state.safetensors")
    _stop_after(5, config, demos, tmp_path / "cut")
    result = train(config, [demos], tmp_path / "cut")
    assert result.step == 12
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "cut"))
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "parts"))


def _stop_after(steps, config, demos, out):
    """Train in this process and send it SIGTERM once the state of `steps` is on disk."""
    from onestep_vla_ros.train.learner import Learner

    plain = Learner.update

    def update(self, *arguments):
        if self.step == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, *arguments)

    Learner.update = update
    try:
        result = train(config, [demos], out)
    finally:
        Learner.update = plain
    assert not result.is_finished
    assert steps <= result.step < config.max_steps
    assert not (out / "checkpoint").exists()


def test_two_processes_share_the_work_and_finish(demos, tmp_path):
    result = train(make_config(processes=2, max_steps=6), [demos], tmp_path / "out")
    assert result.is_finished
    assert result.step == 6
    load_policy(tmp_path / "out" / "checkpoint")


_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {test!r})
from tiny_demos import make_config
from onestep_vla_ros.train.trainer import train
if __name__ == "__main__":
    config = make_config(processes=2, max_steps=100000, save_every=1)
    result = train(config, [Path({demos!r})], Path({out!r}))
    sys.exit(7 if not result.is_finished else 0)
"""


def test_sigterm_ends_both_processes_with_a_state_to_go_on_from(demos, tmp_path):
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(
        _SCRIPT.format(test=str(Path(__file__).parent), demos=str(demos), out=str(out))
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, script], env=environment)
    limit = time.monotonic() + 400
    while not (out / "state.safetensors").is_file() and time.monotonic() < limit:
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 7
    rows = export(make_config(processes=2), [demos], out)
    assert len(rows) == 8


_PALIGEMMA = {
    "image_token_index": 300,
    "projection_dim": 32,
    "text_config": {
        "model_type": "gemma",
        "vocab_size": 301,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    },
    "vision_config": {
        "model_type": "siglip_vision_model",
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 8,
        "image_size": 32,
        "projection_dim": 32,
    },
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_local_backbone_trains_and_ships_through_the_same_path(tmp_path, precision):
    backbone, demos = tmp_path / "backbone", tmp_path / "demos"
    PaliGemmaModel(PaliGemmaConfig.from_dict(_PALIGEMMA)).save_pretrained(backbone)
    train_tokenizer(["go to the red square"], 290).save_pretrained(backbone)
    write_dataset(demos, 4)
    config = make_config(
        encoder={"kind": "vlm", "dtype": "float32", "max_tokens": 24, "model": _PALIGEMMA},
        pretrained_backbone=str(backbone),
        backbone_rate_ratio=0.1,
        images={"top": [32, 32], "left_wrist": [32, 32]},
        precision=precision,
        max_steps=3,
    )
    assert train(config, [demos], tmp_path / "out").is_finished
    policy = load_policy(tmp_path / "out" / "checkpoint")
    assert policy.checkpoint.model.config.kind == "vlm"
    policy.warm_up()


def test_run_goes_on_from_a_checkpoint(demos, tmp_path):
    train(make_config(max_steps=4), [demos], tmp_path / "first")
    first = tmp_path / "first" / "checkpoint"
    still = make_config(
        max_steps=1, seed=5, learning_rate=1e-7, initial_checkpoint=str(first), warmup_steps=0
    )
    train(still, [demos], tmp_path / "second")
    old, new = (load_checkpoint(c) for c in (first, tmp_path / "second" / "checkpoint"))
    for name, weight in old.model.state_dict().items():
        assert torch.allclose(weight, new.model.state_dict()[name], atol=1e-5), name
    assert new.normalizer.to_json() == old.normalizer.to_json()
    assert new.training["initial"]["steps"] == 4
    learned = make_config(max_steps=4, initial_checkpoint=str(first))
    train(learned, [demos], tmp_path / "third")
    third = load_checkpoint(tmp_path / "third" / "checkpoint").model.state_dict()
    assert not all(torch.equal(w, third[n]) for n, w in old.model.state_dict().items())


def test_going_on_from_another_model_is_refused_before_any_process(demos, tmp_path):
    train(make_config(max_steps=1), [demos], tmp_path / "first")
    head = {"horizon": 6, "width": 32, "layers": 1, "heads": 2, "mlp": 64}
    other = make_config(
        head=head, processes=2, initial_checkpoint=str(tmp_path / "first" / "checkpoint")
    )
    with pytest.raises(ConfigError, match=r"(?s)another model.*head.*'layers': 2.*'layers': 1"):
        train(other, [demos], tmp_path / "out")
    with pytest.raises(CheckpointError, match="missing"):
        train(make_config(initial_checkpoint="none"), [demos], tmp_path / "out")


def test_time_budget_ends_a_run_and_its_cosine(demos, tmp_path):
    config = make_config(max_steps=10**6, max_minutes=0.02, validate_every=10**6)
    result = train(config, [demos], tmp_path / "out")
    assert result.is_finished
    assert result.elapsed_s >= 1.2
    rate = float((tmp_path / "out" / "log.csv").read_text().splitlines()[-1].split(",")[5])
    assert rate < 0.1 * config.learning_rate


def test_resuming_another_run_is_refused_with_what_differs(demos, tmp_path):
    train(make_config(), [demos], tmp_path / "out")
    other = make_config(alpha=1.0, seed=9)
    with pytest.raises(ConfigError, match=r"(?s)alpha: 4.0, now 1.0.*seed: 0, now 9"):
        train(other, [demos], tmp_path / "out")
    train(other, [demos], tmp_path / "out", resume=False)


def test_damaged_state_is_one_clear_error(demos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.safetensors").write_bytes(b"\x80\x04garbage")
    with pytest.raises(CheckpointError, match="state.safetensors is damaged"):
        train(make_config(), [demos], tmp_path / "out")


def test_missing_demonstrations_are_refused_before_any_process(tmp_path):
    with pytest.raises(DatasetError, match="missing"):
        train(make_config(processes=2), [tmp_path / "none"], tmp_path / "out")


@pytest.mark.parametrize("name", ["train_nano.yaml", "train_study.yaml", "train_head.yaml"])
def test_shipped_configurations_are_valid(name):
    assert load_train_config(ROOT / "config" / name).encoder["kind"] == "nano"


def test_every_fault_of_a_configuration_is_listed(tmp_path):
    values = yaml.safe_load((ROOT / "config" / "train_nano.yaml").read_text())
    values |= {"alpha": 0.5, "precision": "int3", "batch": 7, "pretrained_backbone": "x"}
    values["initial_checkpoint"] = "y"
    del values["ema"]
    values["emma"] = 0.9
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError) as caught:
        load_train_config(tmp_path / "bad.yaml")
    for part in ("6 faults", "alpha", "int3", "batch", "pretrained_backbone", "ema", "emma"):
        assert part in str(caught.value)


def test_configuration_survives_its_own_json():
    config = make_config()
    assert from_mapping(TrainConfig, dataclasses.asdict(config)) == config
