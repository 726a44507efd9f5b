# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from tiny_demos import make_config

from onestep_vla_ros.train.learner import Learner
from onestep_vla_ros.train.run_setup import prepare


def _steps(config, demos, steps=2):
    setup = prepare(config, [demos])
    learner = Learner(setup.model, config)
    updates = []
    for step in range(steps):
        batch = setup.batches.read(setup.sampler.draw(config.batch, step))
        generator = torch.Generator().manual_seed(step)
        updates.append(learner.update(batch, generator, 0.0, False))
    return learner, updates


def test_regression_reads_no_noise(tiny_dataset):
    config = make_config(objective="regression", keyframe_weight=0.0)
    setup = prepare(config, [tiny_dataset])
    learner = Learner(setup.model, config)
    batch = setup.batches.read(setup.sampler.draw(8, 0))
    losses = [learner.loss(batch, torch.Generator().manual_seed(s)).item() for s in (0, 1)]
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx(float(batch.action.square().mean()), rel=1e-5)
    assert setup.model.config.head.objective == "regression"


@pytest.mark.parametrize("objective", ["l1", "learned_start", "mip"])
def test_every_objective_learns_a_batch_by_heart(tiny_dataset, objective):
    config = make_config(objective=objective, keyframe_weight=0.0, learning_rate=1e-2)
    setup = prepare(config, [tiny_dataset])
    learner = Learner(setup.model, config)
    batch = setup.batches.read(setup.sampler.draw(8, 0))
    generator = torch.Generator().manual_seed(0)
    losses = [learner.update(batch, generator, 0.0, False).loss for _ in range(25)]
    assert learner.model.config.head.objective == objective
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])


def test_fp16_learns_the_same_as_fp32_and_its_loss_scale_never_shows(tiny_dataset):
    plain = _steps(make_config(), tiny_dataset)[1]
    scaled = _steps(make_config(precision="fp16"), tiny_dataset)[1]
    for a, b in zip(plain, scaled, strict=True):
        assert b.loss == pytest.approx(a.loss, rel=2e-2)
        assert b.norm == pytest.approx(a.norm, rel=5e-2)


def test_an_overflow_skips_the_update_and_lowers_the_scale(tiny_dataset):
    config = make_config(precision="fp16")
    setup = prepare(config, [tiny_dataset])
    learner = Learner(setup.model, config)
    learner._scale.factor = 2.0**120  # noqa: SLF001
    before = [p.detach().clone() for p in setup.model.parameters()]
    batch = setup.batches.read(setup.sampler.draw(8, 0))
    update = learner.update(batch, torch.Generator().manual_seed(0), 0.0, False)
    assert not math.isfinite(update.norm)
    assert learner._scale.factor == 2.0**119  # noqa: SLF001
    assert all(torch.equal(a, b) for a, b in zip(before, setup.model.parameters(), strict=True))


def test_averaged_weights_are_lent_and_the_trained_ones_come_back(tiny_dataset):
    learner, _ = _steps(make_config(learning_rate=1e-2), tiny_dataset)
    trained = [p.detach().clone() for p in learner.model.parameters()]
    with learner.averaged() as model:
        lent = [p.detach().clone() for p in model.parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(trained, lent, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(trained, learner.model.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(lent, learner.model_average, strict=True))
