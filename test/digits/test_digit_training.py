# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.digits.autoregressive import AutoregressiveHead
from onestep_vla_ros.digits.conditions import (
    AUTOREGRESSIVE,
    EXPERIMENTS,
    is_known,
    make_runs,
)
from onestep_vla_ros.digits.model import make_model
from onestep_vla_ros.digits.scores import pack, unpack
from onestep_vla_ros.digits.tokens import make_codebook
from onestep_vla_ros.digits.training import train_and_score
from onestep_vla_ros.files import read_yaml, share_dir
from onestep_vla_ros.policy.encoder import Context
from onestep_vla_ros.study.studies import ALPHA_4, REGRESSION


def run_of(name, variant, steps, base):
    return make_runs([name], [steps], 1, base, [variant])[0]


def test_a_small_network_learns_to_read_shapes_it_has_not_seen(strokes, tiny):
    figures = train_and_score(run_of("grid", ALPHA_4, 600, tiny), strokes, 100)
    decoded = figures["decoded"]["sampled"]
    assert set(decoded) == {"1", "2", "5", "10"}
    for by_k in decoded.values():
        assert by_k["token_accuracy"] > 0.9
        assert by_k["mse"] < 0.3
        assert sum(unpack(by_k["exact"], 100)) > 30
    assert figures["velocity_error"]["1"] < 0.3
    assert figures["noise_leak"] < 0.3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["ambiguous", "image"])
def test_a_run_on_a_gpu(name, strokes, tiny):
    run = run_of(name, ALPHA_4, 5, {**tiny, "device": "cuda"})
    assert train_and_score(run, strokes, 100)["decoded"]["sampled"]


def test_autoregressive_baseline_runs(strokes, tiny):
    figures = train_and_score(run_of("grid", AUTOREGRESSIVE, 5, tiny), strokes, 30)
    assert set(figures["decoded"]) == {"zero"}
    assert figures["decoded"]["zero"]["1"]["mse"] > 0.0


def test_the_same_run_gives_the_same_figures(strokes, tiny):
    run = run_of("ambiguous", ALPHA_4, 5, tiny)
    first, second = (train_and_score(run, strokes, 30) for _ in range(2))
    for figures in (first, second):
        del figures["training_cpu_s"]
    assert first == second


def test_image_control_and_weak_encoder_run(strokes, tiny):
    figures = train_and_score(run_of("image", ALPHA_4, 5, tiny), strokes, 100)
    assert set(figures["decoded"]["sampled"]["10"]) == {"spread", "frechet", "mse", "pictures"}
    weak = run_of("weak", REGRESSION, 5, tiny)
    assert weak.config.encoder["channels"] < tiny["encoder"]["channels"]
    assert set(train_and_score(weak, strokes, 30)["decoded"]) == {"zero"}


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_variant_has_a_run_with_a_file_of_its_own(name):
    base = read_yaml(share_dir() / "config" / "train_digits.yaml")
    runs = make_runs([name], [3000, 9000], 2, base)
    assert len({run.name for run in runs}) == len(runs)
    budgets = 1 if EXPERIMENTS[name].is_control else 2
    assert len(runs) == 2 * budgets * len([v for v in EXPERIMENTS[name].variants if is_known(v)])
    size = make_model(runs[0].config).parameter_count
    assert 180_000 <= size <= 400_000


def test_a_chunk_that_is_no_square_grid_is_refused(tiny):
    fifteen = {**tiny, "head": {**tiny["head"], "horizon": 15}}
    with pytest.raises(ConfigError, match=r"15.*square"):
        make_model(run_of("grid", ALPHA_4, 5, fifteen).config)


def test_autoregressive_head_sees_no_digit_before_it_is_said(tiny):
    torch.manual_seed(0)
    run = run_of("grid", AUTOREGRESSIVE, 5, tiny)
    head = make_model(run.config, is_autoregressive=True).head
    assert isinstance(head, AutoregressiveHead)
    torch.nn.init.normal_(head.out.weight)
    memory, book = head.prepare(Context(torch.randn(2, 16, 32))), make_codebook()
    before = torch.randn(2, 16, 16)
    changed = before.clone()
    changed[:, 9:] = 0.0
    first, second = (head.logits(x, memory, book) for x in (before, changed))
    assert torch.equal(first[:, :9], second[:, :9])
    assert not torch.allclose(first[:, 9:], second[:, 9:])


def test_greedy_decoding_says_what_the_head_is_surest_of(tiny):
    torch.manual_seed(0)
    head = make_model(run_of("grid", AUTOREGRESSIVE, 5, tiny).config, is_autoregressive=True).head
    torch.nn.init.normal_(head.out.weight)
    memory, book = head.prepare(Context(torch.randn(3, 16, 32))), make_codebook()
    said = head.greedy(memory, book, 3)
    before = torch.cat([torch.zeros(3, 1, 16), said[:, :-1]], dim=1)
    assert torch.equal(book[head.logits(before, memory, book).argmax(dim=-1)], said)


def test_flags_come_back_as_they_went():
    flags = torch.rand(77) < 0.5
    assert unpack(pack(flags), 77) == flags.tolist()


def test_encoder_that_is_not_known_is_refused(tiny):
    run = run_of("grid", ALPHA_4, 5, {**tiny, "encoder": {"kind": "vlm"}})
    with pytest.raises(ConfigError, match="vlm"):
        make_model(run.config)
