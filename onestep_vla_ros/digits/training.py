# SPDX-License-Identifier: Apache-2.0
"""One training of the digits study with the policy's learner, and what came of it."""

from __future__ import annotations

import math
import time
from dataclasses import asdict

import torch
import tqdm

from onestep_vla_ros.digits.autoregressive import AutoregressiveLearner
from onestep_vla_ros.digits.conditions import AUTOREGRESSIVE, Run
from onestep_vla_ros.digits.model import DigitModel, make_model
from onestep_vla_ros.digits.scores import Figures, score
from onestep_vla_ros.digits.sources import TRAIN, Digits
from onestep_vla_ros.digits.tasks import Task
from onestep_vla_ros.train.learner import Learner

_NOISE_SEED = 10**9
"""Offset of the stream of (ε, τ), so that it is not the one that draws samples."""


def train_and_score(run: Run, digits: Digits, test_count: int) -> Figures:
    """Train one model from scratch and return its figures.

    The same run gives the same figures to the bit on the same machine. All variants of a seed
    learn from the same samples in the same order.

    Args:
        run: What to train; on the device its configuration names.
        digits: Its parts are learned from, calibrated on and tested on.
        test_count: Test inputs.
    """
    device = torch.device(run.config.device)
    torch.set_num_threads(run.config.threads)
    edge = math.isqrt(run.config.head["horizon"])
    task = Task(run.experiment.task, digits, device, edge)
    started_s = time.process_time()
    learner = _learn(run, task, device)
    spent_s = time.process_time() - started_s
    with learner.averaged() as model:
        figures = score(model, task, test_count, is_one_step=run.variant.is_one_step)
    return {
        "config": asdict(run.config),
        "digits": {"source": digits.source, "count": len(digits.labels)},
        "test_count": test_count,
        "parameters": model.parameter_count,
        "training_cpu_s": round(spent_s, 2),
        **figures,
    }


def _learn(run: Run, task: Task, device: torch.device) -> Learner:
    torch.manual_seed(run.seed)
    is_autoregressive = run.variant == AUTOREGRESSIVE
    model: DigitModel = make_model(run.config, is_autoregressive=is_autoregressive).to(device)
    model.train()
    if is_autoregressive:
        learner = AutoregressiveLearner(model, run.config)
        learner.codebook = task.codebook
    else:
        learner = Learner(model, run.config)
    samples = torch.Generator(device).manual_seed(run.seed)
    noise = torch.Generator(device).manual_seed(run.seed + _NOISE_SEED)
    for _ in tqdm.trange(run.config.max_steps, desc=run.name, mininterval=2.0, leave=False):
        batch = task.sample(run.config.batch, TRAIN, samples).batch
        learner.update(batch, noise, 0.0, is_stopped=False)
    return learner
